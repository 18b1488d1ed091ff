// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <type_traits>

namespace yagura::net {

/// An IPv4 address stands in the first four bytes, the rest are zero.
using IpAddress = std::array<std::uint8_t, 16>;

/// Who talks to whom: the innermost IP packet's addresses, protocol and ports. Directional; canonical() gives
/// the key that both directions share. Ports are in host order, and 0 for protocols that have none.
struct FlowKey {
    IpAddress src{};
    IpAddress dst{};
    std::uint16_t sport = 0;
    std::uint16_t dport = 0;
    std::uint8_t proto = 0;       ///< IP protocol number (IANA), of the transport header for IPv6
    std::uint8_t ip_version = 0;  ///< 4, 6; 0: there is no flow
    /// What else tells flows apart, the same both ways (set_domain); all zero where nothing else does.
    std::array<std::uint16_t, 3> domain{};

    auto operator<=>(const FlowKey&) const = default;

    FlowKey reversed() const;
    /// True when (src, sport) <= (dst, dport) in byte order.
    bool is_canonical() const;
    FlowKey canonical() const { return is_canonical() ? *this : reversed(); }

    /// The same for both directions. A sender who does not know the seed cannot choose keys that collide.
    std::uint64_t symmetric_hash(std::uint64_t seed) const;
};
static_assert(sizeof(FlowKey) == 44 && std::has_unique_object_representations_v<FlowKey>);

/// "192.0.2.1" or "2001:db8::1" (RFC 5952).
std::string to_string(const IpAddress& address, std::uint8_t ip_version);
/// "tcp", "udp", ... or the number.
std::string protocol_name(std::uint8_t proto);

}  // namespace yagura::net
