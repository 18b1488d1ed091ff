// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "net/flow_key.h"

namespace yagura::reset {

/// What can be blocked: a connection, or all that comes from or goes to the addresses of a prefix. A host is
/// a prefix of full length. Always in one form, so that equal targets are equal bytes: host bits are zero, a
/// connection is canonical, and its domain (VLAN, tunnel) does not count.
struct BlockTarget {
    enum class Kind : std::uint8_t { kPrefix, kConnection };

    net::IpAddress a{};  ///< the prefix, or the connection's first address
    net::IpAddress b{};
    std::uint16_t a_port = 0;
    std::uint16_t b_port = 0;
    std::uint8_t proto = 0;
    std::uint8_t ip_version = 0;
    std::uint8_t length = 0;  ///< of a prefix, in bits
    Kind kind = Kind::kPrefix;

    /// `length`: at most 32 or 128.
    static BlockTarget prefix(const net::IpAddress& address, std::uint8_t ip_version, std::uint8_t length);
    static BlockTarget host(const net::IpAddress& address, std::uint8_t ip_version) {
        return prefix(address, ip_version, ip_version == 4 ? 32 : 128);
    }
    static BlockTarget connection(const net::FlowKey& key);

    bool covers(const net::IpAddress& address, std::uint8_t version) const;
    bool covers(const net::FlowKey& key) const;
    bool operator==(const BlockTarget&) const = default;
};
static_assert(sizeof(BlockTarget) == 40 && std::has_unique_object_representations_v<BlockTarget>);

/// "10.0.0.0/8", "192.0.2.1", "2001:db8::/32", "tcp 10.0.0.1:4000 192.0.2.2:80", "udp [2001:db8::1]:53 ...".
std::string to_string(const BlockTarget& target);
/// What to_string gives; nothing for any other text, such as a prefix with bits behind its length. Protocols
/// besides tcp, udp and sctp by number.
std::optional<BlockTarget> parse_block_target(std::string_view text);
/// Of a prefix, with or without such bits: "10.1.2.3/8" is in 10.0.0.0/8. Nothing for any other text.
std::optional<BlockTarget> parse_network(std::string_view text);

}  // namespace yagura::reset
