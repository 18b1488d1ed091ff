// SPDX-License-Identifier: BSD-3-Clause
#include "app/bench/card/frame_of_class.h"

#include "net/packet_builder.h"

namespace yagura::bench {

std::vector<std::uint8_t> class_frame(const FlowClass& flow_class, const FrameKind& kind,
                                      const std::string& payload) {
    const net::FlowKey key = kind.to_server ? flow_class.key : flow_class.key.reversed();
    net::PacketBuilder builder;
    builder.ethernet();
    for (const std::uint16_t vlan : flow_class.vlans) builder.vlan(vlan);
    if (key.ip_version == 4) {
        builder.ipv4(key.src, key.dst);
    } else {
        builder.ipv6(key.src, key.dst);
    }
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
    return builder.payload(payload).build();
}

std::string filler_words(std::size_t size) {
    constexpr std::string_view kWords =
        "a brown fox leaps over lazy dogs while nobody counts how many times it has done so before ";
    std::string text;
    while (text.size() < size) text += kWords.substr(0, size - text.size());
    return text;
}

}  // namespace yagura::bench
