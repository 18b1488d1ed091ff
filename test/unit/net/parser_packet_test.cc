// SPDX-License-Identifier: BSD-3-Clause
// What concerns the IP packet as a whole: where it ends, fragments, and when the key stands for it.
#include <catch2/catch.hpp>
#include <cstring>

#include "net/packet_builder.h"
#include "net/parser.h"
#include "net/protocol_numbers.h"
#include "sample_packets.h"

using namespace yagura::net;
using Frame = std::vector<std::uint8_t>;

namespace {

PacketBuilder ipv4_frame() {
    return PacketBuilder().ethernet().ipv4(kSource4, kTarget4);
}

PacketBuilder ipv6_frame() {
    return PacketBuilder().ethernet().ipv6(kSource6, kTarget6);
}

ParsedPacket parse_whole(const Frame& frame) {
    return parse(frame, frame.size(), LinkType::kEthernet);
}

}  // namespace

TEST_CASE("Ethernet padding is no payload") {
    for (const bool has_options : {false, true}) {  // without: the fast path
        PacketBuilder builder = ipv4_frame();
        if (has_options) builder.ipv4_options(Frame(4, 1));
        const ParsedPacket found = parse_whole(builder.tcp(1, 2).payload("ab").pad_to(64).build());
        CHECK(found.malformed == Malformed::kNone);
        CHECK(found.payload_size == 2);
        const ParsedPacket empty = parse_whole(ipv4_frame().tcp(1, 2).pad_to(60).build());
        CHECK(empty.payload == 54);
        CHECK(empty.payload_size == 0);
    }
}

TEST_CASE("a snap length cuts the payload and is no fault") {
    const Frame whole = ipv4_frame().tcp(1, 2).payload(Frame(500, 'x')).build();
    for (const std::size_t kept : {std::size_t{54}, std::size_t{55}, std::size_t{300}}) {
        const ParsedPacket found = parse({whole.data(), kept}, whole.size(), LinkType::kEthernet);
        CHECK(found.malformed == Malformed::kNone);
        CHECK(found.payload_size == kept - 54);
        CHECK(found.key_is_exact);
        // The same bytes as all that was on the wire: a lie.
        const ParsedPacket liar = parse({whole.data(), kept}, kept, LinkType::kEthernet);
        CHECK(liar.malformed == Malformed::kBadIpTotalLength);
        CHECK(liar.key == found.key);
        CHECK(liar.payload_size == kept - 54);
    }
}

TEST_CASE("a packet whose length was left to the network card ends with its frame") {
    const auto without_length = [](Frame frame, std::size_t at) {
        frame[at] = frame[at + 1] = 0;
        return frame;
    };
    const Frame tcp4 = without_length(ipv4_frame().tcp(1, 2).payload("abc").build(), 16);
    const Frame tcp6 = without_length(ipv6_frame().tcp(1, 2).payload("abc").build(), 18);
    const Frame udp6 = without_length(without_length(ipv6_frame().udp(1, 2).payload("abc").build(), 18), 58);
    for (const Frame& frame : {tcp4, tcp6, udp6}) {
        const ParsedPacket found = parse_whole(frame);
        CHECK(malformed_name(found.malformed) == "none");
        CHECK(found.key.dport == 2);
        CHECK(found.payload_size == 3);
    }
    const Frame nothing = without_length(ipv6_frame().next(ip_proto::kNoNext).pad_to(60).build(), 18);
    CHECK(parse_whole(nothing).payload_size == 0);
}

TEST_CASE("UDP ends where its own length says") {
    Frame frame = ipv4_frame().udp(1, 2).payload("abcdef").build();
    frame[14 + 20 + 5] = 8 + 2;
    const ParsedPacket found = parse_whole(frame);
    CHECK(found.malformed == Malformed::kNone);
    CHECK(found.payload_size == 2);
}

TEST_CASE("fragments show what each of them holds") {
    struct Row {
        const char* what;
        Frame frame;
        bool first;
        std::uint16_t dport;
        std::uint32_t id;
        std::size_t payload;
        std::size_t payload_size;
    };
    const Frame data(16, 0x11);
    const Row rows[] = {
        {"IPv4, first", ipv4_frame().fragment(0, true, 7).udp(1, 2).payload(data).build(), true, 2, 7, 42,
         16},
        {"IPv4, middle", ipv4_frame().fragment(24, true, 7).next(17).payload(data).build(), false, 0, 7, 34,
         16},
        {"IPv4, last, padded", ipv4_frame().fragment(40, false, 7).next(17).payload("abc").pad_to(60).build(),
         false, 0, 7, 34, 3},
        {"IPv6, first", ipv6_frame().ipv6_fragment(0, true, 0x12345678).udp(1, 2).payload(data).build(), true,
         2, 0x12345678, 70, 16},
        {"IPv6, last, behind hop-by-hop options",
         ipv6_frame().ipv6_extension(0).ipv6_fragment(24, false, 9).next(17).payload("abc").build(), false, 0,
         9, 70, 3},
    };
    for (const Row& row : rows) {
        INFO(row.what);
        const ParsedPacket found = parse_whole(row.frame);
        CHECK(malformed_name(found.malformed) == "none");
        CHECK(found.is_fragment);
        CHECK(found.first_fragment == row.first);
        CHECK(found.fragment_id == row.id);
        CHECK(found.key.proto == 17);
        CHECK(found.key.dport == row.dport);
        CHECK_FALSE(found.key_is_exact);
        CHECK((found.transport != kNoOffset) == row.first);
        CHECK(found.payload == row.payload);
        CHECK(found.payload_size == row.payload_size);
    }
}

TEST_CASE("the UDP length of a first fragment is the whole datagram's") {
    Frame frame = ipv4_frame().fragment(0, true, 7).udp(1, 2).payload(Frame(16)).build();
    frame[14 + 20 + 4] = 0x10;
    CHECK(parse_whole(frame).malformed == Malformed::kNone);
}

TEST_CASE("no tunnel is entered in a fragment") {
    const auto carrier = [] { return ipv4_frame().fragment(0, true, 1); };
    const Frame frames[] = {
        carrier()
            .udp(1, 4789)
            .vxlan(1)
            .ethernet()
            .ipv4("192.0.2.1", "192.0.2.2")
            .tcp(1, 2)
            .payload(Frame(2))
            .build(),
        carrier().gre({.key = 1}).ipv4("192.0.2.1", "192.0.2.2").tcp(1, 2).build(),
        carrier().ipv4("192.0.2.1", "192.0.2.2").tcp(1, 2).build(),
    };
    for (const Frame& frame : frames) {
        const ParsedPacket found = parse_whole(frame);
        CHECK(malformed_name(found.malformed) == "none");
        CHECK(found.is_fragment);
        CHECK(found.tunnel_depth == 0);
        CHECK(found.inner_ip == 14);
        CHECK(found.key.src == parse_address(kSource4)->address);
    }
}

TEST_CASE("a fragment inside a tunnel is the inner packet's affair") {
    const ParsedPacket found = parse_whole(ipv4_frame()
                                               .gre()
                                               .ipv4("192.0.2.1", "192.0.2.2")
                                               .fragment(64, false, 5)
                                               .next(6)
                                               .payload("abc")
                                               .build());
    CHECK(found.is_fragment);
    CHECK_FALSE(found.first_fragment);
    CHECK(found.fragment_id == 5);
    CHECK(found.tunnel == Tunnel::kGre);
    CHECK(found.payload_size == 3);
}

TEST_CASE("a packet quoted in an ICMP error is not entered") {
    const Frame quoted = PacketBuilder().ipv4("192.0.2.1", "192.0.2.2").tcp(1, 2).build();
    const ParsedPacket found = parse_whole(ipv4_frame().icmp(3, 1).payload(quoted).build());
    CHECK(found.inner_ip == 14);
    CHECK(found.key.proto == ip_proto::kIcmp);
    CHECK(found.key.sport == 0);
    CHECK(found.payload_size == quoted.size());
}

TEST_CASE("a GRE payload that is not IP leaves the outer packet as the innermost, without fault") {
    const Frame frames[] = {
        ipv4_frame().gre().next(0x2000).payload("cdp").build(),
        ipv4_frame().gre().next(0).build(),  // keep-alive
        ipv4_frame().gre({.key = 5}).ethernet().vlan(9).arp().build(),
    };
    for (const Frame& frame : frames) {
        const ParsedPacket found = parse_whole(frame);
        CHECK(malformed_name(found.malformed) == "none");
        CHECK(found.tunnel == Tunnel::kNone);
        CHECK(found.vlan_count == 0);
        CHECK(found.key.proto == ip_proto::kGre);
        CHECK(found.payload == 34);
        CHECK(found.payload_size == frame.size() - 34);
    }
}

TEST_CASE("a frame beyond what 16 bits can address is parsed as far as they reach") {
    Frame data(70000, 0);
    Frame frame = ipv6_frame().next(ip_proto::kTcp).payload(data).build();
    frame[18] = frame[19] = 0;  // a jumbogram
    const ParsedPacket found = parse_whole(frame);
    CHECK(found.has_flow());
    CHECK(found.payload == kNoOffset);

    frame[54 + 12] = 0x50;
    CHECK(parse_whole(frame).payload_size == 70000 - 20);
}

TEST_CASE("headers that reach beyond 65,534 bytes are too deep") {
    // Each of the 16 extensions that are followed has 2,048 bytes: two packets of those in a row, then a
    // third.
    PacketBuilder builder = PacketBuilder().ethernet();
    for (int packet = 0; packet < 3; ++packet) {
        builder.ipv6(kSource6, kTarget6);
        for (int i = 0; i < 15; ++i) builder.ipv6_extension(60, 2048);
    }
    Frame frame = builder.tcp(kSourcePort, kTargetPort).build();
    frame[18] = frame[19] = 0;  // its length does not fit: a jumbogram
    const ParsedPacket found = parse_whole(frame);
    CHECK(malformed_name(found.malformed) == "too_deep");
    CHECK(found.tunnel_depth == 2);
    CHECK(found.payload == kNoOffset);
}
