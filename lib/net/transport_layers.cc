// SPDX-License-Identifier: BSD-3-Clause
#include <cstring>

#include "net/layer_walker.h"
#include "net/protocol_numbers.h"

namespace yagura::net {

/// The flow begins here: the innermost IP header and its extensions are behind the cursor.
LayerWalker::Next LayerWalker::transport() {
    if (out_.is_fragment && !out_.first_fragment) return payload_without_transport();
    switch (proto_) {
        case ip_proto::kTcp:
            return tcp();
        case ip_proto::kUdp:
            return udp();
        case ip_proto::kUdpLite:
            return fixed_size_transport(8);  // RFC 3828: its length field says what the checksum covers
        case ip_proto::kSctp:
            return fixed_size_transport(12);
        case ip_proto::kDccp:
            return dccp();
        case ip_proto::kIcmp:
        case ip_proto::kIcmpv6:
            return icmp();
        case ip_proto::kAh:
            return authentication_header();
        case ip_proto::kGre:
            return gre();
        case ip_proto::kIpv4:
            return ip_in_ip(Next::kIpv4);
        case ip_proto::kIpv6:
            return ip_in_ip(Next::kIpv6);
        default:
            return payload_without_transport();
    }
}

/// RFC 9293.
LayerWalker::Next LayerWalker::tcp() {
    if (!open_flow_with_ports()) return Next::kStop;
    const auto h = cursor_.header<20>();
    if (!h || !found_transport()) return fault(Malformed::kTruncatedTransport);
    out_.tcp_flags = h.u8<13>();
    return sized_transport(std::size_t{h.u8<12>()} >> 4 << 2, 20);
}

/// RFC 4340. The generic header has 12 bytes with short sequence numbers, else 16.
LayerWalker::Next LayerWalker::dccp() {
    if (!open_flow_with_ports()) return Next::kStop;
    const auto h = cursor_.header<12>();
    if (!h || !found_transport()) return fault(Malformed::kTruncatedTransport);
    const bool long_sequence = (h.u8<8>() & 1) != 0;
    return sized_transport(std::size_t{h.u8<4>()} << 2, long_sequence ? 16 : 12);
}

/// A header that says its own size.
LayerWalker::Next LayerWalker::sized_transport(std::size_t size, std::size_t least) {
    if (size < least) return fault(Malformed::kBadTransportHeader);
    if (size > cursor_.claimed()) {
        // The rest of a first fragment's header may be in the next one.
        return fault(out_.is_fragment ? Malformed::kTruncatedTransport : Malformed::kBadTransportHeader);
    }
    if (!set_payload(size)) return fault(Malformed::kTruncatedTransport);
    return Next::kStop;
}

LayerWalker::Next LayerWalker::fixed_size_transport(std::size_t size) {
    if (!open_flow_with_ports()) return Next::kStop;
    if (cursor_.readable() < size || !found_transport()) return fault(Malformed::kTruncatedTransport);
    set_payload(size);
    return Next::kStop;
}

/// RFC 768.
LayerWalker::Next LayerWalker::udp() {
    if (!open_flow_with_ports()) return Next::kStop;
    const auto h = cursor_.header<8>();
    if (!h || !found_transport()) return fault(Malformed::kTruncatedTransport);
    const std::size_t length = h.be16<4>();
    if (out_.is_fragment) {  // the length is the whole datagram's
        if (length < 8) return fault(Malformed::kBadTransportHeader);
        set_payload(8);
        return Next::kStop;
    }
    // An IP packet without a length (offload, jumbogram) has a datagram that may have none either (RFC 2675).
    if (length != 0 || !length_missing_) {
        if (length < 8 || length > cursor_.claimed()) return fault(Malformed::kBadTransportHeader);
        cursor_.claim(length);
    }
    if (!set_payload(8)) return Next::kStop;
    switch (h.be16<2>()) {
        case udp_port::kVxlan:
        case udp_port::kVxlanLinux:
            guessed_ = true;
            return vxlan();
        case udp_port::kGeneve:
            guessed_ = true;
            return geneve();
        case udp_port::kGtpU:
            guessed_ = true;
            return gtp_u();
        default:
            return Next::kStop;
    }
}

/// RFC 792, RFC 4443: four bytes that all messages have, and four more that belong to the type.
LayerWalker::Next LayerWalker::icmp() {
    open_flow(0, 0);
    const auto h = cursor_.header<4>();
    if (!h || !found_transport()) return fault(Malformed::kTruncatedTransport);
    set_payload(std::min<std::size_t>(8, cursor_.readable()));
    return Next::kStop;
}

/// RFC 4302, before the transport header of an IPv4 packet. What it authenticates is in the clear.
LayerWalker::Next LayerWalker::authentication_header() {
    if (!descend()) return Next::kStop;
    const auto h = cursor_.header<8>();
    if (!h || !cursor_.advance(8 + std::size_t{h.u8<1>()} * 4)) {
        open_flow(0, 0);
        return fault(Malformed::kTruncatedTransport);
    }
    plain_header_ = false;
    proto_ = h.u8<0>();
    return Next::kTransport;
}

/// All after the IP header is payload.
LayerWalker::Next LayerWalker::payload_without_transport() {
    open_flow(0, 0);
    set_payload(0);
    return Next::kStop;
}

bool LayerWalker::open_flow_with_ports() {
    const auto ports = cursor_.header<4>();
    if (ports) {
        open_flow(ports.be16<0>(), ports.be16<2>());
        return true;
    }
    if (out_.is_fragment) open_flow(0, 0);
    note(Malformed::kTruncatedTransport);
    return false;
}

void LayerWalker::open_flow(std::uint16_t sport, std::uint16_t dport) {
    FlowKey& key = out_.key;
    const std::size_t size = version_ == 4 ? 4 : 16;
    std::memcpy(key.src.data(), addresses_, size);
    std::memcpy(key.dst.data(), addresses_ + size, size);
    key.sport = sport;
    key.dport = dport;
    key.proto = proto_;
    key.ip_version = version_;
    out_.key_is_exact = plain_header_;
}

bool LayerWalker::found_transport() {
    if (!position_fits()) return false;
    out_.transport = static_cast<std::uint16_t>(cursor_.position());
    return true;
}

/// Goes past a transport header that is `header_size` bytes long. False if it is cut.
bool LayerWalker::set_payload(std::size_t header_size) {
    if (!cursor_.advance(header_size) || !position_fits()) return false;
    out_.payload = static_cast<std::uint16_t>(cursor_.position());
    out_.payload_size = static_cast<std::uint32_t>(cursor_.readable());
    return true;
}

}  // namespace yagura::net
