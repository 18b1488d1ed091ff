// SPDX-License-Identifier: BSD-3-Clause
#include "seen_frames.h"

#include "net/protocol_numbers.h"

using yagura::net::FlowKey;
using yagura::net::MacAddress;
using yagura::net::PacketBuilder;
using yagura::reset::Refusal;

namespace {

constexpr MacAddress kServerMac{2, 0, 0, 0, 0, 0x22};
constexpr MacAddress kClientMac{2, 0, 0, 0, 0, 0x11};

PacketBuilder frame() {
    return PacketBuilder().ethernet(kServerMac, kClientMac);
}
PacketBuilder carrier4() {
    return frame().vlan(7).ipv4("192.0.2.1", "192.0.2.2").ttl(33);
}
PacketBuilder carrier6() {
    return frame().ipv6("2001:db8:ffff::1", "2001:db8:ffff::2").ttl(33);
}

}  // namespace

std::vector<SeenFrame> seen_frames() {
    const auto inner = [](PacketBuilder builder) {
        return builder.ethernet({2, 0, 0, 0, 1, 2}, {2, 0, 0, 0, 1, 1});
    };
    return {
        {"ethernet", [] { return frame(); }},
        {"IPv6", [] { return frame(); }, 6},
        {"802.1Q", [] { return frame().vlan(5, 0x8100, 6); }},
        {"QinQ", [] { return frame().vlan(5, 0x88a8).vlan(6); }, 6},
        {"LLC and SNAP", [] { return frame().llc_snap(); }},
        {"LLC and SNAP in 802.1Q", [] { return frame().vlan(9).next(0).llc_snap(); }},
        {"VN-Tag", [] { return frame().vn_tag().vlan(7); }, 4, Refusal::kNone, Refusal::kOneWay},
        {"MPLS", [] { return frame().mpls(16).mpls(17, 30); }, 4, Refusal::kNone, Refusal::kOneWay},
        {"MPLS, IPv6", [] { return frame().vlan(3).mpls(16); }, 6, Refusal::kNone, Refusal::kOneWay},
        {"MPLS pseudowire", [inner] { return inner(frame().mpls(16)); }, 4, Refusal::kNone, Refusal::kOneWay},
        {"MPLS pseudowire with a control word",
         [inner] { return inner(frame().mpls(16).mpls_control_word()); }, 6, Refusal::kNone,
         Refusal::kOneWay},
        {"PPPoE", [] { return frame().vlan(7).pppoe(42); }},
        {"PPPoE, IPv6", [] { return frame().pppoe(42); }, 6},
        {"IPv4 in IPv4", [] { return carrier4(); }},
        {"IPv6 in IPv4", [] { return carrier4(); }, 6},
        {"IPv4 in IPv6", [] { return carrier6(); }},
        {"IPv6 in IPv6", [] { return carrier6(); }, 6},
        {"outer options",
         [] {
             const std::uint8_t router_alert[] = {148, 4, 0, 0};
             return carrier4().ipv4_options(router_alert);
         }},
        {"outer extension headers", [] { return carrier6().ipv6_extension(0).ipv6_extension(60, 16); }},
        {"GRE", [] { return carrier4().gre(); }},
        {"GRE with a key, IPv6", [] { return carrier6().gre({.key = 77}); }, 6},
        {"GRE with Ethernet", [inner] { return inner(carrier4().gre({.key = 77})).vlan(8); }},
        {"GRE with sequence numbers", [] { return carrier4().gre({.sequence = 5}); }, 4, Refusal::kSequenced},
        {"PPTP", [] { return carrier4().pptp(9); }, 4, Refusal::kSequenced},
        {"ERSPAN I", [inner] { return inner(carrier4().gre().erspan1()); }, 4, Refusal::kNone, Refusal::kNone,
         [inner] { return inner(PacketBuilder()); }},
        {"ERSPAN II", [inner] { return inner(carrier4().gre({.sequence = 5}).erspan2(3)).vlan(8); }, 6,
         Refusal::kNone, Refusal::kNone, [inner] { return inner(PacketBuilder()).vlan(8); }},
        {"ERSPAN III", [inner] { return inner(carrier4().gre({.sequence = 5}).erspan3(3, true)); }, 4,
         Refusal::kNone, Refusal::kNone, [inner] { return inner(PacketBuilder()); }},
        {"VXLAN", [inner] { return inner(carrier4().udp(50000, 4789).vxlan(99)); }},
        {"VXLAN over IPv6, tagged inside",
         [inner] { return inner(carrier6().udp(50000, 4789).vxlan(99)).vlan(8); }, 6},
        {"VXLAN on Linux' old port", [inner] { return inner(carrier4().udp(50000, 8472).vxlan(99)); }, 6},
        {"GENEVE", [inner] { return inner(carrier4().udp(50000, 6081).geneve(99, 8)); }},
        {"GENEVE with IP, over IPv6", [] { return carrier6().udp(50000, 6081).geneve(99); }, 6},
        {"GTP-U", [] { return carrier4().udp(2152, 2152).gtp_u(0x1234); }, 4, Refusal::kNone,
         Refusal::kOneWay},
        {"GTP-U with a PDU session, IPv6",
         [] {
             return carrier6().udp(2152, 2152).gtp_u(0x1234, {{0x85, 1}});
         },
         6, Refusal::kNone, Refusal::kOneWay},
        {"VXLAN in GRE in QinQ",
         [inner] {
             return inner(frame()
                              .vlan(5, 0x88a8)
                              .vlan(6)
                              .ipv4("198.51.100.1", "198.51.100.2")
                              .gre()
                              .ipv6("2001:db8:eeee::1", "2001:db8:eeee::2")
                              .udp(50000, 4789)
                              .vxlan(99));
         }},
        {"outer authentication header", [] { return carrier4().authentication_header(); }, 4,
         Refusal::kAuthenticated},
        {"nine tunnels",
         [] {
             PacketBuilder builder = frame();
             for (int i = 0; i < 9; ++i) builder.ipv4("192.0.2.1", "192.0.2.2").gre();
             return builder;
         },
         4, Refusal::kTooLong},
    };
}

FlowKey seen_key(std::uint8_t ip_version) {
    FlowKey key;
    key.ip_version = ip_version;
    key.proto = yagura::net::ip_proto::kTcp;
    key.sport = 40000;
    key.dport = 443;
    key.src = yagura::net::parse_address(ip_version == 4 ? "10.1.2.3" : "2001:db8::3")->address;
    key.dst = yagura::net::parse_address(ip_version == 4 ? "10.9.8.7" : "2001:db8::7")->address;
    return key;
}

PacketBuilder seen_ip(const SeenFrame& seen) {
    const FlowKey key = seen_key(seen.ip_version);
    PacketBuilder builder = seen.front();
    seen.ip_version == 4 ? builder.ipv4(key.src, key.dst) : builder.ipv6(key.src, key.dst);
    return builder.ttl(kClientTtl);
}

std::vector<std::uint8_t> seen_bytes(const SeenFrame& seen) {
    return seen_ip(seen).tcp(40000, 443).payload("what was said in the connection").pad_to(120).build();
}
