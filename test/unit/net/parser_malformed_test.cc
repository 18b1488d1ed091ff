// SPDX-License-Identifier: BSD-3-Clause
#include <catch2/catch.hpp>
#include <functional>
#include <set>
#include <string>

#include "net/packet_builder.h"
#include "net/parser.h"
#include "net/protocol_numbers.h"
#include "sample_packets.h"

using namespace yagura::net;
using Frame = std::vector<std::uint8_t>;

namespace {

constexpr std::size_t kIp = 14;  // of an untagged frame

PacketBuilder ipv4_frame() {
    return PacketBuilder().ethernet().ipv4(kSource4, kTarget4);
}

PacketBuilder ipv6_frame() {
    return PacketBuilder().ethernet().ipv6(kSource6, kTarget6);
}

Frame cut(Frame frame, std::size_t size) {
    frame.resize(size);
    return frame;
}

Frame with_byte(Frame frame, std::size_t at, std::uint8_t value) {
    frame.at(at) = value;
    return frame;
}

Frame with_be16(Frame frame, std::size_t at, std::uint16_t value) {
    frame.at(at) = static_cast<std::uint8_t>(value >> 8);
    frame.at(at + 1) = static_cast<std::uint8_t>(value);
    return frame;
}

Frame tcp_frame() {
    return ipv4_frame().tcp(kSourcePort, kTargetPort).payload(kPayload).build();
}

Frame udp_frame() {
    return ipv4_frame().udp(kSourcePort, kTargetPort).payload(kPayload).build();
}

Frame gre_frame() {
    return PacketBuilder()
        .ethernet()
        .ipv4("192.0.2.1", "192.0.2.2")
        .gre({.key = 1})
        .ipv4(kSource4, kTarget4)
        .tcp(kSourcePort, kTargetPort)
        .build();
}

enum class Flow { kNone, kWithoutPorts, kWithPorts };

struct Row {
    std::string what;
    Frame frame;
    Malformed reason;
    std::size_t outer_ip = kIp;
    std::size_t inner_ip = kIp;
    Flow flow = Flow::kNone;
    bool has_transport = false;
    bool has_payload = false;
    LinkType link = LinkType::kEthernet;
};

std::vector<Row> link_rows() {
    const auto tcp4 = [](PacketBuilder builder) {
        return builder.ipv4(kSource4, kTarget4).tcp(kSourcePort, kTargetPort).build();
    };
    const auto row = [](const char* what, Frame frame, LinkType link = LinkType::kEthernet) {
        return Row{.what = what,
                   .frame = std::move(frame),
                   .reason = Malformed::kTruncatedLink,
                   .outer_ip = kNoOffset,
                   .inner_ip = kNoOffset,
                   .link = link};
    };
    PacketBuilder ethernet = PacketBuilder().ethernet();
    return {
        row("nothing at all", {}),
        row("nothing at all, raw", {}, LinkType::kRaw),
        row("Ethernet header cut", cut(tcp_frame(), 13)),
        row("VLAN tag cut", cut(tcp4(PacketBuilder(ethernet).vlan(1)), 17)),
        row("VN-Tag cut", cut(tcp4(PacketBuilder(ethernet).vn_tag()), 19)),
        row("MPLS label cut", cut(tcp4(PacketBuilder(ethernet).mpls(1).mpls(2)), 21)),
        row("PPPoE header cut", cut(tcp4(PacketBuilder(ethernet).pppoe(1)), 21)),
        row("LLC header cut", cut(tcp4(PacketBuilder(ethernet).llc_snap()), 16)),
        row("SNAP header cut", cut(tcp4(PacketBuilder(ethernet).llc_snap()), 21)),
        row("address family cut", {2, 0, 0}, LinkType::kNull),
        row("Linux cooked header cut", cut(PacketBuilder().linux_cooked().build(), 15), LinkType::kLinuxSll),
        row("Linux cooked v2 header cut", cut(PacketBuilder().linux_cooked2().build(), 19),
            LinkType::kLinuxSll2),
    };
}

std::vector<Row> ip_rows() {
    const Frame options = ipv4_frame().ipv4_options(Frame(8, 1)).tcp(1, 2).build();
    const Frame extended = ipv6_frame().ipv6_extension(60, 16).tcp(1, 2).build();
    PacketBuilder many = ipv6_frame();
    for (int i = 0; i < 20; ++i) many.ipv6_extension(60);
    const Frame tcp6 = ipv6_frame().tcp(kSourcePort, kTargetPort).build();
    const auto fragment = [](std::uint16_t offset, bool more, std::size_t size) {
        return ipv4_frame().fragment(offset, more, 1).payload(Frame(size)).next(0).build();
    };
    using enum Malformed;
    return {
        {"IPv4 ethertype, nothing behind", cut(tcp_frame(), 14), kTruncatedIp, kNoOffset, kNoOffset},
        {"IPv4 header of one byte counts", cut(tcp_frame(), 15), kTruncatedIp},
        {"IPv4 header cut", cut(tcp_frame(), 33), kTruncatedIp},
        {"IPv6 header cut", cut(tcp6, 53), kTruncatedIp},
        {"IPv6 header of one byte counts", cut(tcp6, 15), kTruncatedIp},
        {"version 6 under the IPv4 ethertype", with_byte(tcp_frame(), kIp, 0x65), kBadIpVersion, kNoOffset,
         kNoOffset},
        {"version 4 under the IPv6 ethertype", with_byte(tcp6, kIp, 0x45), kBadIpVersion, kNoOffset,
         kNoOffset},
        {"version 5 in raw IP",
         {0x55, 0, 0, 0},
         kBadIpVersion,
         kNoOffset,
         kNoOffset,
         Flow::kNone,
         false,
         false,
         LinkType::kRaw},
        {"header length 16", with_byte(tcp_frame(), kIp, 0x44), kBadIpHeaderLength},
        {"header length beyond the total length", with_be16(options, kIp + 2, 24), kBadIpHeaderLength},
        {"total length below the least header", with_be16(tcp_frame(), kIp + 2, 19), kBadIpTotalLength},
        {"total length beyond the frame", with_be16(tcp_frame(), kIp + 2, 1000), kBadIpTotalLength, kIp, kIp,
         Flow::kWithPorts, true, true},
        {"IPv6 payload length beyond the frame", with_be16(tcp6, kIp + 4, 1000), kBadIpTotalLength, kIp, kIp,
         Flow::kWithPorts, true, true},
        {"extension beyond the packet", with_byte(extended, kIp + 41, 200), kBadIpv6Extension},
        {"extension header beyond the payload length", with_be16(extended, kIp + 4, 4), kBadIpv6Extension},
        {"twenty extensions", many.tcp(1, 2).build(), kBadIpv6Extension},
        {"a fragment of a fragment",
         ipv6_frame().ipv6_fragment(0, true, 1).ipv6_fragment(8, false, 2).tcp(1, 2).payload("four").build(),
         kBadIpv6Extension},
        {"a fragment that ends beyond 65,535 bytes", fragment(65528, false, 8), kBadFragment, kIp, kIp,
         Flow::kWithoutPorts, false, true},
        {"a fragment of 9 bytes that is not the last", fragment(8, true, 9), kBadFragment, kIp, kIp,
         Flow::kWithoutPorts, false, true},
        {"an IPv6 fragment of 12 bytes that is not the last",
         ipv6_frame().ipv6_fragment(8, true, 1).payload(Frame(12)).build(), kBadFragment, kIp, kIp,
         Flow::kWithoutPorts, false, true},
    };
}

std::vector<Row> transport_rows() {
    constexpr std::size_t kTransport = kIp + 20;
    const Frame sctp = ipv4_frame().sctp(kSourcePort, kTargetPort).build();
    const Frame dccp = ipv4_frame().dccp(kSourcePort, kTargetPort).build();
    const Frame ah = ipv4_frame().authentication_header().tcp(kSourcePort, kTargetPort).build();
    using enum Malformed;
    return {
        {"ports cut", cut(tcp_frame(), kTransport + 3), kTruncatedTransport},
        {"ports beyond the packet, padding instead",
         ipv4_frame().next(ip_proto::kTcp).payload("\x9c\x40").pad_to(60).build(), kTruncatedTransport},
        {"TCP header cut behind the ports", cut(tcp_frame(), kTransport + 4), kTruncatedTransport, kIp, kIp,
         Flow::kWithPorts},
        {"TCP options cut", cut(with_byte(tcp_frame(), kTransport + 12, 0x60), kTransport + 20),
         kTruncatedTransport, kIp, kIp, Flow::kWithPorts, true},
        {"UDP header cut behind the ports", cut(udp_frame(), kTransport + 7), kTruncatedTransport, kIp, kIp,
         Flow::kWithPorts},
        {"SCTP header cut behind the ports", cut(sctp, kTransport + 11), kTruncatedTransport, kIp, kIp,
         Flow::kWithPorts},
        {"DCCP header cut behind the ports", cut(dccp, kTransport + 11), kTruncatedTransport, kIp, kIp,
         Flow::kWithPorts},
        {"ICMP header cut", cut(ipv4_frame().icmp(8, 0).build(), kTransport + 3), kTruncatedTransport, kIp,
         kIp, Flow::kWithoutPorts},
        {"nothing behind AH", cut(ah, kTransport + 24), kTruncatedTransport},
        {"AH cut", cut(ah, kTransport + 7), kTruncatedTransport, kIp, kIp, Flow::kWithoutPorts},
        {"TCP data offset 16", with_byte(tcp_frame(), kTransport + 12, 0x40), kBadTransportHeader, kIp, kIp,
         Flow::kWithPorts, true},
        {"TCP data offset beyond the packet", with_byte(tcp_frame(), kTransport + 12, 0xf0),
         kBadTransportHeader, kIp, kIp, Flow::kWithPorts, true},
        {"DCCP data offset 8", with_byte(dccp, kTransport + 4, 2), kBadTransportHeader, kIp, kIp,
         Flow::kWithPorts, true},
        {"UDP length 7", with_be16(udp_frame(), kTransport + 4, 7), kBadTransportHeader, kIp, kIp,
         Flow::kWithPorts, true},
        {"UDP length 0", with_be16(udp_frame(), kTransport + 4, 0), kBadTransportHeader, kIp, kIp,
         Flow::kWithPorts, true},
        {"UDP length beyond the packet", with_be16(udp_frame(), kTransport + 4, 500), kBadTransportHeader,
         kIp, kIp, Flow::kWithPorts, true},
        {"first fragment too small for ports", ipv4_frame().fragment(0, true, 1).next(ip_proto::kTcp).build(),
         kTruncatedTransport, kIp, kIp, Flow::kWithoutPorts},
        {"first fragment that ends in the TCP header",
         ipv4_frame().fragment(0, true, 1).next(ip_proto::kTcp).payload(Frame(8, 1)).build(),
         kTruncatedTransport, kIp, kIp, Flow::kWithPorts},
    };
}

std::vector<Row> tunnel_rows() {
    constexpr std::size_t kInner = kIp + 20 + 8;
    const Frame gre = gre_frame();
    PacketBuilder nested = PacketBuilder().ethernet();
    for (int i = 0; i < 40; ++i) nested.ipv4("192.0.2.1", "192.0.2.2");
    PacketBuilder tags = PacketBuilder().ethernet();
    for (int i = 0; i < 32; ++i) tags.vlan(1);
    PacketBuilder labels = PacketBuilder().ethernet();
    for (int i = 0; i < 33; ++i) labels.mpls(1);
    Frame endless_route =
        PacketBuilder().ethernet().ipv4("192.0.2.1", "192.0.2.2").gre().payload(Frame(400, 1)).build();
    endless_route = with_byte(endless_route, kIp + 20, 0x40);
    const auto inner_fault = [](const char* what, Frame frame, Malformed reason) {
        return Row{what, std::move(frame), reason, kIp, kIp, Flow::kWithoutPorts, false, true};
    };
    using enum Malformed;
    return {
        inner_fault("GRE header cut", cut(gre, kIp + 20 + 3), kTruncatedTunnel),
        inner_fault("GRE key cut", cut(gre, kIp + 20 + 7), kTruncatedTunnel),
        inner_fault(
            "PPTP header cut",
            cut(PacketBuilder().ethernet().ipv4("192.0.2.1", "192.0.2.2").pptp(1).build(), kIp + 20 + 9),
            kTruncatedTunnel),
        inner_fault("ERSPAN header cut",
                    cut(PacketBuilder()
                            .ethernet()
                            .ipv4("192.0.2.1", "192.0.2.2")
                            .gre({.sequence = 1})
                            .erspan2(1)
                            .ethernet()
                            .build(),
                        kIp + 20 + 8 + 7),
                    kTruncatedTunnel),
        inner_fault("inner IP header cut", cut(gre, kInner + 19), kTruncatedIp),
        inner_fault("inner version wrong", with_byte(gre, kInner, 0x65), kBadIpVersion),
        inner_fault("inner header length wrong", with_byte(gre, kInner, 0x41), kBadIpHeaderLength),
        inner_fault("inner total length below its header", with_be16(gre, kInner + 2, 10), kBadIpTotalLength),
        {"inner total length beyond the outer packet", with_be16(gre, kInner + 2, 500), kBadIpTotalLength,
         kIp, kInner, Flow::kWithPorts, true, true},
        {"inner ports cut", cut(gre, kInner + 22), kTruncatedTransport, kIp, kInner},
        {"forty IP headers", nested.tcp(1, 2).build(), kTooDeep, kIp, kIp + 31 * 20, Flow::kWithoutPorts,
         false, true},
        {"thirty-two tags and an IP header", tags.ipv4(kSource4, kTarget4).tcp(1, 2).build(), kTooDeep,
         kNoOffset, kNoOffset},
        {"thirty-three labels", labels.ipv4(kSource4, kTarget4).tcp(1, 2).build(), kTooDeep, kNoOffset,
         kNoOffset},
        inner_fault("a GRE source route without end", endless_route, kTooDeep),
    };
}

}  // namespace

TEST_CASE("each fault is named, and what was found before it stays") {
    std::set<Malformed> reached;
    for (const auto& rows : {link_rows(), ip_rows(), transport_rows(), tunnel_rows()}) {
        for (const Row& row : rows) {
            INFO(row.what);
            // What ends early was cut by a snap length; else its IP header would be the liar.
            const bool is_cut = malformed_name(row.reason).substr(0, 9) == "truncated";
            const ParsedPacket found = parse(row.frame, is_cut ? 2000 : row.frame.size(), row.link);
            CHECK(malformed_name(found.malformed) == malformed_name(row.reason));
            CHECK(found.outer_ip == row.outer_ip);
            CHECK(found.inner_ip == row.inner_ip);
            CHECK(found.has_flow() == (row.flow != Flow::kNone));
            if (!found.has_flow()) {
                CHECK(found.key == FlowKey{});
                CHECK_FALSE(found.key_is_exact);
            }
            CHECK((found.key.sport != 0) == (row.flow == Flow::kWithPorts));
            CHECK((found.transport != kNoOffset) == row.has_transport);
            CHECK((found.payload != kNoOffset) == row.has_payload);
            reached.insert(found.malformed);
        }
    }
    CHECK(reached.size() == static_cast<std::size_t>(Malformed::kCount) - 1);
}

TEST_CASE("thirty-two layers are followed to the end") {
    PacketBuilder tags = PacketBuilder().ethernet();
    for (int i = 0; i < 31; ++i) tags.vlan(1);
    const Frame frame = tags.ipv4(kSource4, kTarget4).tcp(kSourcePort, kTargetPort).build();
    const ParsedPacket found = parse(frame, frame.size(), LinkType::kEthernet);
    CHECK(found.malformed == Malformed::kNone);
    CHECK(found.key.dport == kTargetPort);
}

TEST_CASE("a UDP port alone makes no tunnel: what does not fit is plain UDP payload and no fault") {
    const auto carrier = [](std::uint16_t port) {
        return PacketBuilder().ethernet().vlan(1).ipv4("192.0.2.1", "192.0.2.2").udp(50000, port);
    };
    constexpr std::size_t kUdpPayload = 18 + 28;
    const Frame vxlan = carrier(4789).vxlan(1).ethernet().vlan(2).ipv4(kSource4, kTarget4).tcp(1, 2).build();
    const Frame geneve = carrier(6081).geneve(1).ipv4(kSource4, kTarget4).tcp(1, 2).build();
    const Frame gtp = carrier(2152).gtp_u(1, {{0x85, 1}}).ipv4(kSource4, kTarget4).tcp(1, 2).build();
    struct Row {
        const char* what;
        Frame frame;
    };
    const Row rows[] = {
        {"no payload", carrier(4789).build()},
        {"text", carrier(2152).payload("this is not GTP-U at all").build()},
        {"VXLAN without the VNI flag", with_byte(vxlan, kUdpPayload, 0)},
        {"VXLAN with ARP", carrier(4789).vxlan(1).ethernet().vlan(3).arp().build()},
        {"VXLAN with the wrong IP version", with_byte(vxlan, kUdpPayload + 8 + 18, 0x65)},
        {"VXLAN with an IP header of 16 bytes", with_byte(vxlan, kUdpPayload + 8 + 18, 0x44)},
        {"GENEVE of version 1", with_byte(geneve, kUdpPayload, 0x40)},
        {"GENEVE with options beyond the packet", with_byte(geneve, kUdpPayload, 0x3f)},
        {"GENEVE with an unknown protocol", with_be16(geneve, kUdpPayload + 2, 0x1234)},
        {"GTP-U of version 2", with_byte(gtp, kUdpPayload, 0x54)},
        {"GTP' (protocol type 0)", with_byte(gtp, kUdpPayload, 0x24)},
        {"GTP-U echo request", with_byte(gtp, kUdpPayload + 1, 1)},
        {"GTP-U length beyond the datagram", with_be16(gtp, kUdpPayload + 2, 2000)},
        {"GTP-U extension of length 0", with_byte(gtp, kUdpPayload + 12, 0)},
        {"GTP-U without IP inside", with_byte(gtp, kUdpPayload + 16, 0x15)},
    };
    for (const Row& row : rows) {
        INFO(row.what);
        const ParsedPacket found = parse(row.frame, row.frame.size(), LinkType::kEthernet);
        CHECK(malformed_name(found.malformed) == "none");
        CHECK(found.tunnel == Tunnel::kNone);
        CHECK(found.tunnel_depth == 0);
        CHECK(found.inner_ip == 18);
        CHECK(found.key.proto == ip_proto::kUdp);
        CHECK(found.key.sport == 50000);
        CHECK(found.payload == kUdpPayload);
        CHECK(found.payload_size == row.frame.size() - kUdpPayload);
        CHECK(found.vlan_count == 1);
        CHECK(found.vlans[1] == 0);
    }
}

TEST_CASE("inside a tunnel found by its port, faults behind a sound IP header are faults") {
    Frame frame = PacketBuilder()
                      .ethernet()
                      .ipv4("192.0.2.1", "192.0.2.2")
                      .udp(50000, 4789)
                      .vxlan(1)
                      .ethernet()
                      .ipv4(kSource4, kTarget4)
                      .tcp(kSourcePort, kTargetPort)
                      .build();
    frame.at(frame.size() - 8) = 0x10;  // data offset
    const ParsedPacket found = parse(frame, frame.size(), LinkType::kEthernet);
    CHECK(malformed_name(found.malformed) == "bad_transport_header");
    CHECK(found.tunnel == Tunnel::kVxlan);
    CHECK(found.key.dport == kTargetPort);
}
