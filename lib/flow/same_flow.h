// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <smmintrin.h>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "net/flow_key.h"

namespace yagura::flow {

/// Whether the keys are equal, or, with `against` 1 instead of 0, one is the other's reverse. Without a
/// branch on the direction: which way a packet goes cannot be predicted, and a branch on an entry that is
/// still on its way from memory would stop the look-ups after it.
inline bool same_flow(const net::FlowKey& a, const net::FlowKey& b, unsigned against) {
    static_assert(offsetof(net::FlowKey, src) == 0 && offsetof(net::FlowKey, dst) == 16);
    static_assert(offsetof(net::FlowKey, sport) == 32 && offsetof(net::FlowKey, dport) == 34);
    constexpr std::size_t kRest = offsetof(net::FlowKey, proto);
    static_assert(kRest == 36 && sizeof(net::FlowKey) == kRest + sizeof(std::uint64_t));
    const auto* x = reinterpret_cast<const std::uint8_t*>(&a);
    const auto* y = reinterpret_cast<const std::uint8_t*>(&b);
    const auto address = [](const std::uint8_t* at) {
        return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    };
    const auto load = [](const std::uint8_t* at, auto value) {
        std::memcpy(&value, at, sizeof value);
        return value;
    };
    const std::size_t turned = std::size_t{16} * against;
    const __m128i differ = _mm_or_si128(_mm_xor_si128(address(x + turned), address(y)),
                                        _mm_xor_si128(address(x + (16 - turned)), address(y + 16)));
    const std::uint32_t ports = std::rotl(load(x + 32, std::uint32_t{}), static_cast<int>(turned));
    const std::uint64_t rest = load(x + kRest, std::uint64_t{}) ^ load(y + kRest, std::uint64_t{});
    return _mm_testz_si128(differ, differ) != 0 && (rest | (ports ^ load(y + 32, std::uint32_t{}))) == 0;
}

}  // namespace yagura::flow
