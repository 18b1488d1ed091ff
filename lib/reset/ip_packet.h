// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>

#include "net/flow_key.h"
#include "reset/reset_builder.h"

namespace yagura::reset {

constexpr std::size_t ip_header_size(std::uint8_t ip_version) {
    return ip_version == 4 ? 20 : 40;
}

/// Writes a plain IP header from key.src to key.dst in front of `payload_size` bytes. `label`: the IPv4 id
/// (its lower 16 bits; the packet must not be fragmented) or IPv6's flow label. Internal to lib/reset.
void write_ip_header(std::uint8_t* to, const net::FlowKey& key, std::uint8_t proto, HopFields hop,
                     std::uint32_t label, std::size_t payload_size);

}  // namespace yagura::reset
