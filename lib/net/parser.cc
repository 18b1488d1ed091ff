// SPDX-License-Identifier: BSD-3-Clause
#include "net/parser.h"

#include <cstring>

#include "net/cursor.h"
#include "net/layer_walker.h"
#include "net/protocol_numbers.h"

namespace yagura::net {
namespace {

constexpr std::size_t kEthernetSize = 14;
constexpr std::size_t kIpv4Size = 20;
constexpr std::size_t kTcpSize = 20;

/// The plainest and most frequent packet: Ethernet, IPv4 without options and not a fragment, sound TCP. False
/// if it is anything else; `out` is then untouched. Finds what LayerWalker finds.
inline bool parse_plain_tcp(base::Bytes frame, std::size_t wire_length, ParsedPacket& out) {
    const Cursor cursor(frame, wire_length);
    const auto h = cursor.header<kEthernetSize + kIpv4Size + kTcpSize>();
    if (!h) return false;
    constexpr std::size_t ip = kEthernetSize;
    constexpr std::size_t tcp = kEthernetSize + kIpv4Size;
    if (h.be16<12>() != ethertype::kIpv4 || h.u8<ip>() != 0x45 || h.u8<ip + 9>() != ip_proto::kTcp)
        return false;
    constexpr std::uint16_t kMoreFragmentsOrOffset = 0x3fff;
    if ((h.be16<ip + 6>() & kMoreFragmentsOrOffset) != 0) return false;

    const std::size_t total_length = h.be16<ip + 2>();
    const std::size_t tcp_size = std::size_t{h.u8<tcp + 12>()} >> 4 << 2;
    const std::size_t payload = tcp + tcp_size;
    if (tcp_size < kTcpSize || total_length < kIpv4Size + tcp_size || payload > frame.size() ||
        ip + total_length > cursor.claimed()) {
        return false;
    }

    std::memcpy(out.key.src.data(), h.bytes<ip + 12, 4>(), 4);
    std::memcpy(out.key.dst.data(), h.bytes<ip + 16, 4>(), 4);
    out.key.sport = h.be16<tcp>();
    out.key.dport = h.be16<tcp + 2>();
    out.key.proto = ip_proto::kTcp;
    out.key.ip_version = 4;
    out.key_is_exact = true;
    out.outer_ip = ip;
    out.inner_ip = ip;
    out.transport = tcp;
    out.tcp_flags = h.u8<tcp + 13>();
    out.payload = static_cast<std::uint16_t>(payload);
    out.payload_size = static_cast<std::uint32_t>(std::min(frame.size(), ip + total_length) - payload);
    return true;
}

}  // namespace

ParsedPacket parse(base::Bytes frame, std::size_t wire_length, LinkType link_type) {
    ParsedPacket out;
    if (link_type == LinkType::kEthernet && parse_plain_tcp(frame, wire_length, out)) [[likely]] {
        return out;
    }
    LayerWalker(frame, wire_length, out).walk(link_type);
    return out;
}

std::string_view malformed_name(Malformed reason) {
    switch (reason) {
        case Malformed::kNone:
            return "none";
        case Malformed::kTruncatedLink:
            return "truncated_link";
        case Malformed::kTruncatedIp:
            return "truncated_ip";
        case Malformed::kBadIpVersion:
            return "bad_ip_version";
        case Malformed::kBadIpHeaderLength:
            return "bad_ip_header_length";
        case Malformed::kBadIpTotalLength:
            return "bad_ip_total_length";
        case Malformed::kBadIpv6Extension:
            return "bad_ipv6_extension";
        case Malformed::kBadFragment:
            return "bad_fragment";
        case Malformed::kTruncatedTransport:
            return "truncated_transport";
        case Malformed::kBadTransportHeader:
            return "bad_transport_header";
        case Malformed::kTruncatedTunnel:
            return "truncated_tunnel";
        case Malformed::kTooDeep:
            return "too_deep";
        case Malformed::kCount:
            break;
    }
    return "";
}

std::string_view tunnel_name(Tunnel tunnel) {
    switch (tunnel) {
        case Tunnel::kNone:
            return "";
        case Tunnel::kGre:
        case Tunnel::kPptp:
            return "gre";
        case Tunnel::kErspan1:
        case Tunnel::kErspan2:
            return "erspan";
        case Tunnel::kVxlan:
            return "vxlan";
        case Tunnel::kGeneve:
            return "geneve";
        case Tunnel::kGtpU:
            return "gtp-u";
        case Tunnel::kIpInIp:
            return "ipip";
    }
    return "";
}

std::uint32_t payload_wire_size(base::Bytes frame, std::size_t wire_length, const ParsedPacket& parsed) {
    constexpr std::size_t kLengthAt = 2;
    constexpr std::size_t kIpv6LengthAt = 4;
    constexpr std::size_t kIpv6Header = 40;
    const std::size_t ip = parsed.inner_ip;
    const bool v4 = parsed.key.ip_version == 4;
    if (parsed.payload == kNoOffset || ip == kNoOffset || frame.size() < ip + kIpv6Header / 2) {
        return parsed.payload_size;
    }
    const std::size_t length = base::load_be16(&frame[ip + (v4 ? kLengthAt : kIpv6LengthAt)]);
    // 0: segmentation offload, or a jumbogram. What is left of the frame then.
    const std::size_t claimed = length == 0 ? wire_length : ip + length + (v4 ? 0 : kIpv6Header);
    const std::size_t end = std::min(claimed, wire_length);
    return end <= parsed.payload
               ? parsed.payload_size
               : std::max(parsed.payload_size, static_cast<std::uint32_t>(end - parsed.payload));
}

}  // namespace yagura::net
