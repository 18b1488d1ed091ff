// SPDX-License-Identifier: BSD-3-Clause
#include "net/flow_identity.h"

namespace yagura::net {
namespace {

bool is_shared_by_directions(Tunnel tunnel) {
    switch (tunnel) {
        case Tunnel::kGre:
        case Tunnel::kErspan1:
        case Tunnel::kErspan2:
        case Tunnel::kVxlan:
        case Tunnel::kGeneve:
            return true;
        case Tunnel::kPptp:
        case Tunnel::kGtpU:
        case Tunnel::kIpInIp:
        case Tunnel::kNone:
            break;
    }
    return false;
}

}  // namespace

void set_domain(ParsedPacket& packet, FlowIdentity identity) {
    constexpr unsigned kVlanBits = 12;
    constexpr unsigned kTunnelBits = 24;
    std::uint64_t domain = 0;
    if (identity.vlan) {
        unsigned kept = 0;
        for (std::size_t i = 0; i < packet.vlan_count && kept < 2; ++i) {
            const unsigned id = packet.vlans[i] & ((1u << kVlanBits) - 1);
            if (id == 0) continue;
            domain |= std::uint64_t{id} << (kVlanBits * kept++);
        }
    }
    if (identity.tunnel && is_shared_by_directions(packet.tunnel)) {
        const std::uint32_t id = packet.tunnel_id & ((1u << kTunnelBits) - 1);
        domain |= std::uint64_t{id} << (2 * kVlanBits);
    }
    for (std::size_t i = 0; i < packet.key.domain.size(); ++i) {
        packet.key.domain[i] = static_cast<std::uint16_t>(domain >> (16 * i));
    }
}

}  // namespace yagura::net
