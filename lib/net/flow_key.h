// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>

#include "base/bytes.h"
#include "base/hash.h"

namespace yagura::net {

/// An IPv4 address stands in the first four bytes, the rest are zero.
using IpAddress = std::array<std::uint8_t, 16>;

/// What FlowKey::symmetric_hash makes of its seed, to be made once for many keys: two words of which neither
/// can be told from the other without the seed.
struct HashSeed {
    HashSeed(std::uint64_t seed) : a(seed ^ base::kHashA), b(base::mix(seed ^ base::kHashB, base::kHashC)) {}
    std::uint64_t a;
    std::uint64_t b;
};

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
    /// True when (src, sport) <= (dst, dport), in an order of no meaning: that of the addresses as
    /// little-endian numbers, then of the ports.
    bool is_canonical() const;
    FlowKey canonical() const { return is_canonical() ? *this : reversed(); }

    /// The same for both directions. A sender who does not know the seed cannot choose keys that collide:
    /// the addresses, and IPv4's ports with them, are factors of products whose other factor is secret too,
    /// each factor with a secret of its own, so that none can be brought to 0 and no two be exchanged; no
    /// word of his is joined with another of his by an operation that he can undo. What else there is in a
    /// key is joined with what those products come to.
    std::uint64_t symmetric_hash(const HashSeed& seed) const { return hash_and_direction(seed).hash; }
    /// The same, and at the same price whether the key is not the canonical one.
    struct HashAndDirection {
        std::uint64_t hash;
        bool reversed;
    };
    HashAndDirection hash_and_direction(const HashSeed& seed) const;

  private:
    /// An end of an IPv4 flow, as one number that orders it.
    static std::uint64_t ipv4_end(const IpAddress& address, std::uint16_t port) {
        return std::uint64_t{base::load_u32(address.data())} << 16 | port;
    }
    /// Protocol, version, domain.
    std::uint64_t rest() const {
        return base::load_u64(reinterpret_cast<const std::uint8_t*>(this) + sizeof(FlowKey) -
                              sizeof(std::uint64_t));
    }
    HashAndDirection ipv6_hash_and_direction(const HashSeed& seed) const;
};
static_assert(offsetof(FlowKey, proto) + sizeof(std::uint64_t) == sizeof(FlowKey));
static_assert(sizeof(FlowKey) == 44 && std::has_unique_object_representations_v<FlowKey>);

inline FlowKey::HashAndDirection FlowKey::hash_and_direction(const HashSeed& seed) const {
    if (ip_version == 6) return ipv6_hash_and_direction(seed);
    const std::uint64_t a = ipv4_end(src, sport);
    const std::uint64_t b = ipv4_end(dst, dport);
    // Which way a packet goes no branch predictor can know: the ends change places without a branch.
    const std::uint64_t b_above = b - a;
    const std::uint64_t change = b_above & -(b_above >> 63);
    return {base::mix(base::mix((a + change) ^ seed.a, (b - change) ^ seed.b), rest() ^ seed.b),
            b_above >> 63 != 0};
}

/// "192.0.2.1" or "2001:db8::1" (RFC 5952).
std::string to_string(const IpAddress& address, std::uint8_t ip_version);
/// "tcp", "udp", ... or the number.
std::string protocol_name(std::uint8_t proto);

}  // namespace yagura::net
