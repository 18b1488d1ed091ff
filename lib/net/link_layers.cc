// SPDX-License-Identifier: BSD-3-Clause
#include "net/layer_walker.h"
#include "net/protocol_numbers.h"

namespace yagura::net {

LayerWalker::Next LayerWalker::first_header(LinkType link_type) {
    if (cursor_.readable() == 0) return fault(Malformed::kTruncatedLink);
    switch (link_type) {
        case LinkType::kEthernet:
            return Next::kEthernet;
        case LinkType::kNull:
        case LinkType::kLoop:
            return null_or_loop(link_type);
        case LinkType::kRaw:
            return Next::kIp;
        case LinkType::kIpv4:
            return Next::kIpv4;
        case LinkType::kIpv6:
            return Next::kIpv6;
        case LinkType::kLinuxSll:
            return linux_cooked();
        case LinkType::kLinuxSll2:
            return linux_cooked2();
    }
    return Next::kStop;
}

LayerWalker::Next LayerWalker::null_or_loop(LinkType link_type) {
    const auto h = cursor_.header<4>();
    if (!h || !cursor_.advance(4)) return fault(Malformed::kTruncatedLink);
    std::uint32_t family = h.be32<0>();
    // Families are small numbers: a large one was written by a host of the other byte order.
    if (link_type == LinkType::kNull && family > 0xffff) family = __builtin_bswap32(family);
    switch (family) {
        case 2:
            return Next::kIpv4;
        case 10:  // AF_INET6 of Linux,
        case 24:  // of NetBSD, OpenBSD and BSD/OS,
        case 28:  // of FreeBSD,
        case 30:  // of Darwin
            return Next::kIpv6;
        default:
            return Next::kStop;
    }
}

LayerWalker::Next LayerWalker::linux_cooked() {
    const auto h = cursor_.header<16>();
    if (!h || !cursor_.advance(16)) return fault(Malformed::kTruncatedLink);
    type_ = h.be16<14>();
    return Next::kEthertype;
}

LayerWalker::Next LayerWalker::linux_cooked2() {
    const auto h = cursor_.header<20>();
    if (!h || !cursor_.advance(20)) return fault(Malformed::kTruncatedLink);
    type_ = h.be16<0>();
    return Next::kEthertype;
}

LayerWalker::Next LayerWalker::ethernet() {
    const auto h = cursor_.header<14>();
    if (!h || !cursor_.advance(14)) return fault(Malformed::kTruncatedLink);
    type_ = h.be16<12>();
    return type_ <= ethertype::kMaxLength ? llc() : Next::kEthertype;
}

LayerWalker::Next LayerWalker::by_ethertype() {
    constexpr std::uint16_t kCookedLlc = 4;  // LINUX_SLL_P_802_2; in Ethernet it is a length, and LLC as well
    for (;;) {
        switch (type_) {
            case ethertype::kIpv4:
                return Next::kIpv4;
            case ethertype::kIpv6:
                return Next::kIpv6;
            case ethertype::kVlan:
            case ethertype::kQinQ:
            case ethertype::kOldQinQ:
            case ethertype::kOldQinQ2:
                if (!vlan_tag()) return Next::kStop;
                if (type_ <= ethertype::kMaxLength) return llc();
                break;
            case ethertype::kVnTag:
                if (!vn_tag()) return Next::kStop;
                if (type_ <= ethertype::kMaxLength) return llc();
                break;
            case ethertype::kMpls:
            case ethertype::kMplsUpstream:
                return mpls();
            case ethertype::kPppoeSession:
                return pppoe();
            case kCookedLlc:
                return llc();
            default:
                return Next::kStop;
        }
    }
}

bool LayerWalker::vlan_tag() {
    if (!descend()) return false;
    const auto h = cursor_.header<4>();
    if (!h || !cursor_.advance(4)) {
        note(Malformed::kTruncatedLink);
        return false;
    }
    if (out_.vlan_count < kMaxVlans) out_.vlans[out_.vlan_count++] = h.be16<0>() & 0x0fff;
    type_ = h.be16<2>();
    return true;
}

bool LayerWalker::vn_tag() {
    if (!descend()) return false;
    const auto h = cursor_.header<6>();
    if (!h || !cursor_.advance(6)) {
        note(Malformed::kTruncatedLink);
        return false;
    }
    type_ = h.be16<4>();
    return true;
}

/// IEEE 802.2. Only SNAP with an EtherType in it (RFC 1042) leads on.
LayerWalker::Next LayerWalker::llc() {
    const auto h = cursor_.header<3>();
    if (!h) return fault(Malformed::kTruncatedLink);
    if (h.u8<0>() != 0xaa || h.u8<1>() != 0xaa || h.u8<2>() != 0x03) return Next::kStop;
    const auto snap = cursor_.header<8>();
    if (!snap || !cursor_.advance(8)) return fault(Malformed::kTruncatedLink);
    if ((snap.be32<2>() & 0x00ffffff) != 0) return Next::kStop;
    type_ = snap.be16<6>();
    return type_ <= ethertype::kMaxLength ? Next::kStop : Next::kEthertype;
}

/// RFC 3032. Nothing in a label says what follows the last one, so the first nibble decides (RFC 4928).
LayerWalker::Next LayerWalker::mpls() {
    for (bool bottom = false; !bottom;) {
        if (!descend()) return Next::kStop;
        const auto label = cursor_.header<4>();
        if (!label || !cursor_.advance(4)) return fault(Malformed::kTruncatedLink);
        bottom = (label.u8<2>() & 1) != 0;
    }
    const auto first = cursor_.header<1>();
    if (!first) return Next::kStop;
    const unsigned nibble = first.u8<0>() >> 4;
    if (nibble == 4) return Next::kIpv4;
    if (nibble == 6) return Next::kIpv6;
    constexpr std::size_t kControlWord = 4;  // RFC 4448
    if (nibble == 0 && looks_like_ethernet(kControlWord)) {
        return cursor_.advance(kControlWord) ? Next::kEthernet : Next::kStop;
    }
    return looks_like_ethernet(0) ? Next::kEthernet : Next::kStop;
}

/// An Ethernet header whose type leads on to IP.
bool LayerWalker::looks_like_ethernet(std::size_t skip) const {
    const auto h = cursor_.header<15>(skip);
    if (!h) return false;
    switch (h.be16<12>()) {
        case ethertype::kIpv4:
            return h.u8<14>() >> 4 == 4;
        case ethertype::kIpv6:
            return h.u8<14>() >> 4 == 6;
        case ethertype::kVlan:
        case ethertype::kQinQ:
        case ethertype::kMpls:
        case ethertype::kPppoeSession:
            return true;
        default:
            return false;
    }
}

/// RFC 2516, session stage.
LayerWalker::Next LayerWalker::pppoe() {
    if (!descend()) return Next::kStop;
    const auto h = cursor_.header<8>();
    if (!h || !cursor_.advance(8)) return fault(Malformed::kTruncatedLink);
    constexpr std::uint16_t kVersion1Type1Session = 0x1100;
    if (h.be16<0>() != kVersion1Type1Session) return Next::kStop;
    return ppp_protocol(h.be16<6>());
}

LayerWalker::Next LayerWalker::ppp_protocol(std::uint16_t protocol) {
    switch (protocol) {
        case ppp_proto::kIpv4:
            return Next::kIpv4;
        case ppp_proto::kIpv6:
            return Next::kIpv6;
        default:
            return Next::kStop;
    }
}

}  // namespace yagura::net
