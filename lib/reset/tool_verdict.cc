// SPDX-License-Identifier: BSD-3-Clause
#include "reset/tool_verdict.h"

#include <algorithm>

#include "net/protocol_numbers.h"

namespace yagura::reset {
namespace {

namespace proto = net::ip_proto;

constexpr std::size_t kIcmpHeaderSize = 8;
constexpr std::uint8_t kIcmpUnreachable = 3;    // RFC 792
constexpr std::uint8_t kIcmpv6Unreachable = 1;  // RFC 4443

bool has_ports(std::uint8_t protocol) {
    return protocol == proto::kTcp || protocol == proto::kUdp || protocol == proto::kSctp;
}

/// Of an IP header without extension headers, and the ports behind it: an ICMP error quotes at least as much.
std::optional<net::FlowKey> quoted_key(base::Bytes packet, std::uint8_t version) {
    net::FlowKey key;
    std::size_t header = 40;
    std::size_t addresses = 8;
    std::size_t size = 16;
    if (version == 4) {
        if (packet.size() < 20 || packet[0] >> 4 != 4) return {};
        header = std::size_t{packet[0] & 0x0fu} * 4;
        if (header < 20) return {};
        const bool later_fragment = (base::load_be16(&packet[6]) & 0x1fff) != 0;
        if (later_fragment) return {};
        addresses = 12;
        size = 4;
        key.proto = packet[9];
    } else {
        if (packet.size() < header || packet[0] >> 4 != 6) return {};
        key.proto = packet[6];
    }
    key.ip_version = version;
    std::copy_n(&packet[addresses], size, key.src.begin());
    std::copy_n(&packet[addresses + size], size, key.dst.begin());
    if (!has_ports(key.proto)) return key;
    if (packet.size() < header + 4) return {};
    key.sport = base::load_be16(&packet[header]);
    key.dport = base::load_be16(&packet[header + 2]);
    return key;
}

}  // namespace

std::optional<net::FlowKey> tool_verdict(base::Bytes frame, const net::ParsedPacket& parsed) {
    if (!parsed.has_flow() || parsed.malformed != net::Malformed::kNone || parsed.is_fragment) return {};
    if (parsed.key.proto == proto::kTcp) {
        if ((parsed.tcp_flags & net::tcp_flag::kRst) == 0) return {};
        net::FlowKey key = parsed.key;
        key.domain = {};
        return key;
    }
    const bool v4 = parsed.key.ip_version == 4;
    if (parsed.key.proto != (v4 ? proto::kIcmp : proto::kIcmpv6)) return {};
    if (parsed.transport == net::kNoOffset || frame.size() < parsed.transport + kIcmpHeaderSize) return {};
    if (frame[parsed.transport] != (v4 ? kIcmpUnreachable : kIcmpv6Unreachable)) return {};
    return quoted_key(frame.subspan(parsed.transport + kIcmpHeaderSize), parsed.key.ip_version);
}

}  // namespace yagura::reset
