// SPDX-License-Identifier: BSD-3-Clause
#include "net/parser.h"

#include <algorithm>

namespace yagura::net {

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
