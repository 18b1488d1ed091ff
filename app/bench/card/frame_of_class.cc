// SPDX-License-Identifier: BSD-3-Clause
#include "app/bench/card/frame_of_class.h"

#include <utility>

#include "base/bytes.h"
#include "net/packet_builder.h"
#include "net/parser.h"

namespace yagura::bench {
namespace {

/// Between two gateways for documents' examples.
void add_outer_ip(net::PacketBuilder& builder, bool to_server) {
    const char* from = "192.0.2.1";
    const char* to = "192.0.2.2";
    if (!to_server) std::swap(from, to);
    builder.ipv4(from, to);
}

void add_wrapping(net::PacketBuilder& builder, Wrapping wrapping, bool to_server) {
    constexpr std::uint16_t kProviderTag = 0x88a8;
    switch (wrapping) {
        case Wrapping::kVlan:
            builder.vlan(100);
            break;
        case Wrapping::kQinq:
            builder.vlan(100, kProviderTag).vlan(200);
            break;
        case Wrapping::kMpls:
            builder.mpls(16'000).mpls(24'000);
            break;
        case Wrapping::kVxlan:
            add_outer_ip(builder, to_server);
            builder.udp(49'152, 4789).vxlan(5000).ethernet();
            break;
        case Wrapping::kGre:
            add_outer_ip(builder, to_server);
            builder.gre();
            break;
        case Wrapping::kGtpU:
            add_outer_ip(builder, to_server);
            builder.udp(2152, 2152).gtp_u(to_server ? 1 : 2);
            break;
        case Wrapping::kNone:
            break;
    }
}

void add_ip(net::PacketBuilder& builder, const net::FlowKey& key,
            const std::optional<FragmentPlace>& fragment) {
    if (key.ip_version == 4) {
        builder.ipv4(key.src, key.dst);
        if (fragment) builder.fragment(fragment->offset, fragment->more, 0);
    } else {
        builder.ipv6(key.src, key.dst);
        if (fragment) builder.ipv6_fragment(fragment->offset, fragment->more, 0);
    }
}

void add_transport(net::PacketBuilder& builder, const net::FlowKey& key, const FrameKind& kind) {
    switch (key.proto) {
        case net::ip_proto::kTcp:
            builder.tcp(key.sport, key.dport, kind.flags, {.seq = kind.seq, .ack = kind.ack});
            break;
        case net::ip_proto::kUdp:
            builder.udp(key.sport, key.dport);
            break;
        case net::ip_proto::kSctp:
            builder.sctp(key.sport, key.dport);
            break;
        case net::ip_proto::kIcmp:
            builder.icmp(kind.to_server ? 8 : 0, 0);
            break;
        case net::ip_proto::kIcmpv6:
            builder.icmpv6(kind.to_server ? 128 : 129, 0);
            break;
        default:
            builder.next(key.proto);
    }
}

}  // namespace

std::vector<std::uint8_t> class_frame(const FlowClass& flow_class, const FrameKind& kind,
                                      const std::string& payload) {
    const net::FlowKey key = kind.to_server ? flow_class.key : flow_class.key.reversed();
    net::PacketBuilder builder;
    builder.ethernet();
    for (const std::uint16_t vlan : flow_class.vlans) builder.vlan(vlan);
    add_wrapping(builder, flow_class.wrapping, kind.to_server);
    add_ip(builder, key, kind.fragment);
    if (kind.fragment && kind.fragment->offset != 0) return builder.next(key.proto).payload(payload).build();
    add_transport(builder, key, kind);
    std::vector<std::uint8_t> frame = builder.payload(payload).build();
    if (kind.fragment && key.proto == net::ip_proto::kUdp) {
        // The length is the whole datagram's.
        const net::ParsedPacket parsed = net::parse(frame, frame.size(), net::LinkType::kEthernet);
        base::store_be16(frame.data() + parsed.transport + 4, kind.fragment->datagram);
    }
    return frame;
}

std::string filler_words(std::size_t size) {
    constexpr std::string_view kWords =
        "a brown fox leaps over lazy dogs while nobody counts how many times it has done so before ";
    std::string text;
    while (text.size() < size) text += kWords.substr(0, size - text.size());
    return text;
}

}  // namespace yagura::bench
