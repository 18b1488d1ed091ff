// SPDX-License-Identifier: BSD-3-Clause
#include "net/layer_walker.h"
#include "net/protocol_numbers.h"

namespace yagura::net {

/// From here to the next IP header all is provisional.
LayerWalker::Next LayerWalker::inside_tunnel(Tunnel tunnel, std::uint32_t id, Next next) {
    pending_tunnel_ = tunnel;
    pending_id_ = id;
    vlans_before_tunnel_ = out_.vlan_count;
    return next;
}

/// RFC 2003, RFC 2473, RFC 4213.
LayerWalker::Next LayerWalker::ip_in_ip(Next next) {
    payload_without_transport();
    if (out_.is_fragment) return Next::kStop;
    return inside_tunnel(Tunnel::kIpInIp, 0, next);
}

LayerWalker::Next LayerWalker::gre() {
    payload_without_transport();
    if (out_.is_fragment || !descend()) return Next::kStop;
    const auto h = cursor_.header<4>();
    if (!h) return fault(Malformed::kTruncatedTunnel);
    switch (h.u8<1>() & 0x07) {
        case 0:
            return gre_v0();
        case 1:
            return pptp();
        default:
            return Next::kStop;
    }
}

/// RFC 2784, RFC 2890, and the source routes of RFC 1701.
LayerWalker::Next LayerWalker::gre_v0() {
    constexpr unsigned kChecksum = 0x80;
    constexpr unsigned kRouting = 0x40;
    constexpr unsigned kKey = 0x20;
    constexpr unsigned kSequence = 0x10;
    const auto h = cursor_.header<4>();
    if (!h || !cursor_.advance(4)) return fault(Malformed::kTruncatedTunnel);
    const unsigned flags = h.u8<0>();
    const std::uint16_t protocol = h.be16<2>();
    std::uint32_t id = 0;
    if ((flags & (kChecksum | kRouting)) != 0 && !cursor_.advance(4))
        return fault(Malformed::kTruncatedTunnel);
    if ((flags & kKey) != 0) {
        const auto key = cursor_.header<4>();
        if (!key || !cursor_.advance(4)) return fault(Malformed::kTruncatedTunnel);
        id = key.be32<0>();
    }
    if ((flags & kSequence) != 0 && !cursor_.advance(4)) return fault(Malformed::kTruncatedTunnel);
    if ((flags & kRouting) != 0) {
        for (bool last = false; !last;) {
            if (!descend()) return Next::kStop;
            const auto entry = cursor_.header<4>();
            if (!entry || !cursor_.advance(4 + std::size_t{entry.u8<3>()})) {
                return fault(Malformed::kTruncatedTunnel);
            }
            last = entry.be32<0>() == 0;
        }
    }
    switch (protocol) {
        case ethertype::kTransparentEthernet:
            return inside_tunnel(Tunnel::kGre, id, Next::kEthernet);
        case ethertype::kErspan:
        case ethertype::kErspan3:
            return erspan(protocol, (flags & kSequence) != 0);
        default:
            if (protocol <= ethertype::kMaxLength) return Next::kStop;
            type_ = protocol;
            return inside_tunnel(Tunnel::kGre, id, Next::kEthertype);
    }
}

/// RFC 2637: version 1 of GRE, with the call's id in the key and PPP inside.
LayerWalker::Next LayerWalker::pptp() {
    constexpr unsigned kKey = 0x20;
    constexpr unsigned kSequence = 0x10;
    constexpr unsigned kAcknowledgement = 0x80;
    const auto h = cursor_.header<8>();
    if (!h) return fault(Malformed::kTruncatedTunnel);
    if (h.be16<2>() != ethertype::kPpp || (h.u8<0>() & kKey) == 0) return Next::kStop;
    const bool has_payload = (h.u8<0>() & kSequence) != 0;
    const std::size_t size = 8U + (has_payload ? 4U : 0U) + ((h.u8<1>() & kAcknowledgement) != 0 ? 4U : 0U);
    if (!cursor_.advance(size)) return fault(Malformed::kTruncatedTunnel);
    if (!has_payload) return Next::kStop;

    constexpr std::uint16_t kAddressAndControl = 0xff03;  // RFC 1662; may be left out
    const auto address = cursor_.header<2>();
    if (!address) return fault(Malformed::kTruncatedTunnel);
    if (address.be16<0>() == kAddressAndControl && !cursor_.advance(2)) return Next::kStop;
    const auto short_protocol = cursor_.header<1>();
    if (!short_protocol) return fault(Malformed::kTruncatedTunnel);
    std::uint16_t protocol = short_protocol.u8<0>();
    if ((protocol & 1) == 0) {  // not compressed to one byte
        const auto long_protocol = cursor_.header<2>();
        if (!long_protocol || !cursor_.advance(1)) return fault(Malformed::kTruncatedTunnel);
        protocol = long_protocol.be16<0>();
    }
    if (!cursor_.advance(1)) return Next::kStop;
    return inside_tunnel(Tunnel::kPptp, h.be16<6>(), ppp_protocol(protocol));
}

/// draft-foschiano-erspan-03. Type I is bare Ethernet in GRE, and has no sequence number.
LayerWalker::Next LayerWalker::erspan(std::uint16_t protocol, bool has_sequence) {
    constexpr std::uint32_t kSession = 0x3ff;
    if (protocol == ethertype::kErspan && !has_sequence) {
        return inside_tunnel(Tunnel::kErspan1, 0, Next::kEthernet);
    }
    if (!descend()) return Next::kStop;
    if (protocol == ethertype::kErspan) {
        const auto h = cursor_.header<8>();
        if (!h || !cursor_.advance(8)) return fault(Malformed::kTruncatedTunnel);
        constexpr unsigned kType2 = 1;
        if (h.u8<0>() >> 4 != kType2) return Next::kStop;
        return inside_tunnel(Tunnel::kErspan2, h.be32<0>() & kSession, Next::kEthernet);
    }
    // Type III, which Tunnel counts with II.
    const auto h = cursor_.header<12>();
    if (!h || !cursor_.advance(12)) return fault(Malformed::kTruncatedTunnel);
    constexpr unsigned kType3 = 2;
    if (h.u8<0>() >> 4 != kType3) return Next::kStop;
    constexpr unsigned kHasSubheader = 1;
    if ((h.u8<11>() & kHasSubheader) != 0 && !cursor_.advance(8)) return fault(Malformed::kTruncatedTunnel);
    const unsigned frame_type = (h.u8<10>() & 0x7cU) >> 2;
    constexpr unsigned kEthernetFrame = 0;
    constexpr unsigned kIpPacket = 2;
    const std::uint32_t session = h.be32<0>() & kSession;
    if (frame_type == kEthernetFrame) return inside_tunnel(Tunnel::kErspan2, session, Next::kEthernet);
    if (frame_type == kIpPacket) return inside_tunnel(Tunnel::kErspan2, session, Next::kIp);
    return Next::kStop;
}

/// RFC 7348.
LayerWalker::Next LayerWalker::vxlan() {
    if (!descend()) return Next::kStop;
    const auto h = cursor_.header<8>();
    constexpr unsigned kHasVni = 0x08;
    if (!h || (h.u8<0>() & kHasVni) == 0 || !cursor_.advance(8)) return Next::kStop;
    return inside_tunnel(Tunnel::kVxlan, h.be32<4>() >> 8, Next::kEthernet);
}

/// RFC 8926.
LayerWalker::Next LayerWalker::geneve() {
    if (!descend()) return Next::kStop;
    const auto h = cursor_.header<8>();
    if (!h || h.u8<0>() >> 6 != 0) return Next::kStop;
    if (!cursor_.advance(8 + (std::size_t{h.u8<0>() & 0x3fU} << 2))) return Next::kStop;
    const std::uint32_t vni = h.be32<4>() >> 8;
    switch (h.be16<2>()) {
        case ethertype::kTransparentEthernet:
            return inside_tunnel(Tunnel::kGeneve, vni, Next::kEthernet);
        case ethertype::kIpv4:
            return inside_tunnel(Tunnel::kGeneve, vni, Next::kIpv4);
        case ethertype::kIpv6:
            return inside_tunnel(Tunnel::kGeneve, vni, Next::kIpv6);
        default:
            return Next::kStop;
    }
}

/// 3GPP TS 29.281.
LayerWalker::Next LayerWalker::gtp_u() {
    if (!descend()) return Next::kStop;
    const auto h = cursor_.header<8>();
    if (!h || !cursor_.advance(8)) return Next::kStop;
    constexpr unsigned kVersion1AndProtocolType = 0x30;
    constexpr unsigned kGPdu = 255;
    if ((h.u8<0>() & 0xf0) != kVersion1AndProtocolType || h.u8<1>() != kGPdu) return Next::kStop;
    const std::size_t length = h.be16<2>();
    if (length > cursor_.claimed()) return Next::kStop;
    cursor_.claim(length);

    constexpr unsigned kHasExtension = 0x04;
    constexpr unsigned kHasOptionalFields = 0x07;  // the four bytes are there if any of the three flags is
    if ((h.u8<0>() & kHasOptionalFields) != 0) {
        const auto optional_fields = cursor_.header<4>();
        if (!optional_fields || !cursor_.advance(4)) return Next::kStop;
        unsigned extension = (h.u8<0>() & kHasExtension) != 0 ? optional_fields.u8<3>() : 0U;
        while (extension != 0) {
            if (!descend()) return Next::kStop;
            const auto words = cursor_.header<1>();
            if (!words || words.u8<0>() == 0) return Next::kStop;
            const std::size_t size = std::size_t{words.u8<0>()} << 2;
            const auto next_type = cursor_.header<1>(size - 1);
            if (!next_type || !cursor_.advance(size)) return Next::kStop;
            extension = next_type.u8<0>();
        }
    }
    return inside_tunnel(Tunnel::kGtpU, h.be32<4>(), Next::kIp);
}

}  // namespace yagura::net
