// SPDX-License-Identifier: BSD-3-Clause
#include "net/layer_walker.h"
#include "net/protocol_numbers.h"

namespace yagura::net {
namespace {

constexpr std::size_t kMaxIpPayload = 65535;
/// RFC 8200 names five, each at most once but for destination options; what has many more is an attack.
constexpr unsigned kMaxExtensions = 16;

}  // namespace

LayerWalker::Next LayerWalker::ip_by_nibble() {
    const auto first = cursor_.header<1>();
    if (!first) return fault(Malformed::kTruncatedIp);
    switch (first.u8<0>() >> 4) {
        case 4:
            return Next::kIpv4;
        case 6:
            return Next::kIpv6;
        default:
            return fault(Malformed::kBadIpVersion);
    }
}

bool LayerWalker::begin_ip(std::uint8_t version) {
    if (!descend()) return false;
    const auto first = cursor_.header<1>();
    if (!first) {
        note(Malformed::kTruncatedIp);
        return false;
    }
    if (first.u8<0>() >> 4 != version) {
        note(Malformed::kBadIpVersion);
        return false;
    }
    if (!position_fits()) return false;
    if (out_.outer_ip == kNoOffset) {
        out_.outer_ip = static_cast<std::uint16_t>(cursor_.position());
        out_.inner_ip = out_.outer_ip;
    }
    return true;
}

void LayerWalker::enter_ip(std::uint8_t version, const std::uint8_t* addresses) {
    version_ = version;
    addresses_ = addresses;
    plain_header_ = true;
    length_missing_ = false;
    out_.inner_ip = static_cast<std::uint16_t>(cursor_.position());
    if (pending_tunnel_ == Tunnel::kNone) return;
    out_.tunnel = pending_tunnel_;
    out_.tunnel_id = pending_id_;
    ++out_.tunnel_depth;
    pending_tunnel_ = Tunnel::kNone;
    guessed_ = false;
    // What was found of the packet around this one.
    out_.key = FlowKey{};
    out_.key_is_exact = false;
    out_.transport = kNoOffset;
    out_.payload = kNoOffset;
    out_.payload_size = 0;
}

/// RFC 791.
LayerWalker::Next LayerWalker::ipv4() {
    if (!begin_ip(4)) return Next::kStop;
    const auto h = cursor_.header<20>();
    if (!h) return fault(Malformed::kTruncatedIp);
    const std::size_t header_length = std::size_t{h.u8<0>() & 0x0fU} << 2;
    if (header_length < 20) return fault(Malformed::kBadIpHeaderLength);
    const std::size_t total_length = h.be16<2>();
    if (total_length != 0) {
        if (total_length < 20) return fault(Malformed::kBadIpTotalLength);
        if (total_length < header_length) return fault(Malformed::kBadIpHeaderLength);
    }

    enter_ip(4, h.bytes<12, 8>());
    if (total_length == 0) {  // segmentation offload: the capture saw the packet before it had a length
        length_missing_ = true;
    } else {
        if (total_length > cursor_.claimed()) note(Malformed::kBadIpTotalLength);
        cursor_.claim(total_length);
    }
    if (!cursor_.advance(header_length)) return fault(Malformed::kTruncatedIp);

    proto_ = h.u8<9>();
    const unsigned fragment = h.be16<6>();
    constexpr unsigned kMoreFragments = 0x2000;
    constexpr unsigned kOffset = 0x1fff;
    if ((fragment & (kMoreFragments | kOffset)) != 0) {
        out_.fragment_id = h.be16<4>();
        begin_fragment(std::size_t{fragment & kOffset} << 3, (fragment & kMoreFragments) != 0);
    }
    return Next::kTransport;
}

/// RFC 8200.
LayerWalker::Next LayerWalker::ipv6() {
    if (!begin_ip(6)) return Next::kStop;
    constexpr std::size_t kHeaderSize = 40;
    const auto h = cursor_.header<kHeaderSize>();
    if (!h) return fault(Malformed::kTruncatedIp);

    enter_ip(6, h.bytes<8, 32>());
    const std::size_t payload_length = h.be16<4>();
    proto_ = h.u8<6>();
    if (payload_length == 0 &&
        proto_ != ip_proto::kNoNext) {  // a jumbogram (RFC 2675), or offload as in IPv4
        length_missing_ = true;
    } else {
        if (kHeaderSize + payload_length > cursor_.claimed()) note(Malformed::kBadIpTotalLength);
        cursor_.claim(kHeaderSize + payload_length);
    }
    if (!cursor_.advance(kHeaderSize)) return fault(Malformed::kTruncatedIp);
    return ipv6_extensions();
}

LayerWalker::Next LayerWalker::ipv6_extensions() {
    for (unsigned count = 0; count < kMaxExtensions; ++count) {
        const auto h = cursor_.header<8>();
        std::size_t size = 8;
        switch (proto_) {
            case ip_proto::kHopByHop:
            case ip_proto::kRouting:
            case ip_proto::kDestinationOptions:
            case ip_proto::kMobility:
            case ip_proto::kHip:
            case ip_proto::kShim6:
                if (h) size = 8 + std::size_t{h.u8<1>()} * 8;
                break;
            case ip_proto::kAh:  // counts in words of four bytes (RFC 4302)
                if (h) size = 8 + std::size_t{h.u8<1>()} * 4;
                break;
            case ip_proto::kFragment:
                break;
            default:
                return Next::kTransport;
        }
        plain_header_ = false;
        if (size > cursor_.claimed()) return fault(Malformed::kBadIpv6Extension);
        if (!h || !cursor_.advance(size)) return fault(Malformed::kTruncatedIp);
        const bool is_fragment_header = proto_ == ip_proto::kFragment;
        proto_ = h.u8<0>();
        if (!is_fragment_header) continue;

        const unsigned fragment = h.be16<2>();
        constexpr unsigned kMoreFragments = 0x0001;
        constexpr unsigned kOffset = 0xfff8;
        if ((fragment & (kMoreFragments | kOffset)) == 0) continue;  // atomic (RFC 6946)
        if (out_.is_fragment) return fault(Malformed::kBadIpv6Extension);
        out_.fragment_id = h.be32<4>();
        begin_fragment(fragment & kOffset, (fragment & kMoreFragments) != 0);
        if (!out_.first_fragment) return Next::kTransport;
    }
    return fault(Malformed::kBadIpv6Extension);
}

/// At the first byte of a fragment's data, `offset` bytes into the whole packet's.
void LayerWalker::begin_fragment(std::size_t offset, bool more) {
    out_.is_fragment = true;
    out_.first_fragment = offset == 0;
    plain_header_ = false;
    if (length_missing_) return;
    const std::size_t size = cursor_.claimed();
    if (offset + size > kMaxIpPayload || (more && size % 8 != 0)) note(Malformed::kBadFragment);
}

}  // namespace yagura::net
