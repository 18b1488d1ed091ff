// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>

#include "net/flow_key.h"
#include "net/protocol_numbers.h"

namespace yagura::test {

/// The n-th flow: its addresses differ from those of every other.
inline net::FlowKey numbered(std::uint32_t n, std::uint8_t proto = net::ip_proto::kTcp) {
    net::FlowKey key;
    key.ip_version = 4;
    key.proto = proto;
    key.src = {10, static_cast<std::uint8_t>(n >> 16), static_cast<std::uint8_t>(n >> 8),
               static_cast<std::uint8_t>(n)};
    key.dst = {192, 0, 2, 1};
    key.sport = 40000;
    key.dport = 80;
    return key;
}

}  // namespace yagura::test
