// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>

namespace yagura::base {

/// Folds the 128-bit product of two words into one: the mixing step of the wyhash family (Wang Yi, public
/// domain).
inline std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
    __extension__ using u128 = unsigned __int128;
    const u128 product = static_cast<u128>(a) * b;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

/// Constants of the same family: odd, half of the bits set, no structure.
inline constexpr std::uint64_t kHashA = 0xa0761d6478bd642fULL;
inline constexpr std::uint64_t kHashB = 0xe7037ed1a0b428dbULL;
inline constexpr std::uint64_t kHashC = 0x8ebc6af09c88c6e3ULL;
inline constexpr std::uint64_t kHashD = 0x589965cc75374cc3ULL;

}  // namespace yagura::base
