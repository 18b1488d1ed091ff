// SPDX-License-Identifier: BSD-3-Clause
#include "net/flow_identity.h"

#include <catch2/catch.hpp>
#include <functional>
#include <set>

#include "net/packet_builder.h"

using namespace yagura::net;

namespace {

/// What tells the flow of 10.0.0.1:1000 -> 10.0.0.2:2000 apart when it is found behind these headers.
std::array<std::uint16_t, 3> domain(PacketBuilder headers, FlowIdentity identity) {
    const auto frame = headers.ipv4("10.0.0.1", "10.0.0.2").tcp(1000, 2000).build();
    ParsedPacket packet = parse(frame, frame.size(), LinkType::kEthernet);
    REQUIRE(packet.malformed == Malformed::kNone);
    REQUIRE(packet.key.sport == 1000);
    REQUIRE(packet.key.domain == std::array<std::uint16_t, 3>{});
    set_domain(packet, identity);
    return packet.key.domain;
}

PacketBuilder ethernet() {
    return PacketBuilder().ethernet();
}
PacketBuilder carrier() {
    return ethernet().ipv4("192.0.2.1", "192.0.2.2");
}

constexpr FlowIdentity kNothing{};
constexpr FlowIdentity kVlan{.vlan = true};
constexpr FlowIdentity kTunnel{.tunnel = true};
constexpr FlowIdentity kBoth{.vlan = true, .tunnel = true};

}  // namespace

TEST_CASE("which packets of the same addresses and ports are of one flow") {
    struct Row {
        const char* what;
        PacketBuilder a;
        PacketBuilder b;
        FlowIdentity identity;
        bool same;
    };
    const auto vxlan = [](std::uint32_t vni) { return carrier().udp(5, 4789).vxlan(vni).ethernet(); };
    const std::vector<Row> rows{
        {"VLANs, not asked", ethernet().vlan(1), ethernet().vlan(2), kNothing, true},
        {"VLANs, not asked but tunnels", ethernet().vlan(1), ethernet().vlan(2), kTunnel, true},
        {"VLANs", ethernet().vlan(1), ethernet().vlan(2), kVlan, false},
        {"VLANs that differ in their highest bit", ethernet().vlan(1), ethernet().vlan(0x801), kVlan, false},
        {"a VLAN and none", ethernet().vlan(1), ethernet(), kVlan, false},
        {"a priority tag and none", ethernet().vlan(0, 0x8100, 5), ethernet(), kVlan, true},
        {"the same VLAN at different priorities", ethernet().vlan(7, 0x8100, 5), ethernet().vlan(7), kVlan,
         true},
        {"the same VLAN as 802.1Q and 802.1ad", ethernet().vlan(7), ethernet().vlan(7, 0x88a8), kVlan, true},
        {"a priority tag before the VLAN", ethernet().vlan(0).vlan(7), ethernet().vlan(7), kVlan, true},
        {"inner VLANs", ethernet().vlan(1).vlan(2), ethernet().vlan(1).vlan(3), kVlan, false},
        {"VLANs the other way round", ethernet().vlan(1).vlan(2), ethernet().vlan(2).vlan(1), kVlan, false},
        {"third VLANs", ethernet().vlan(1).vlan(2).vlan(3), ethernet().vlan(1).vlan(2).vlan(4), kVlan, true},
        {"VLANs within a tunnel", vxlan(1).vlan(5), vxlan(1).vlan(6), kVlan, false},
        {"VLANs within a tunnel, not asked", vxlan(1).vlan(5), vxlan(1).vlan(6), kTunnel, true},
        {"VNIs, not asked", vxlan(1), vxlan(2), kVlan, true},
        {"VNIs", vxlan(1), vxlan(2), kTunnel, false},
        {"VNIs that differ in their highest bit", vxlan(1), vxlan(0x80'0001), kTunnel, false},
        {"a VNI and no tunnel", vxlan(1), ethernet(), kTunnel, false},
        {"VNI 0 and no tunnel", vxlan(0), ethernet(), kTunnel, true},
        {"a VNI and the same VLAN", vxlan(5), ethernet().vlan(5), kBoth, false},
        {"VLANs around the same VNI",
         ethernet().vlan(1).ipv4("192.0.2.1", "192.0.2.2").udp(5, 4789).vxlan(3).ethernet(),
         ethernet().vlan(2).ipv4("192.0.2.1", "192.0.2.2").udp(5, 4789).vxlan(3).ethernet(), kBoth, false},
        {"the other direction of a VXLAN", vxlan(3),
         ethernet().ipv4("192.0.2.2", "192.0.2.1").udp(6, 4789).vxlan(3).ethernet(), kBoth, true},
        {"VNIs of GENEVE", carrier().udp(5, 6081).geneve(1).ethernet(),
         carrier().udp(5, 6081).geneve(2).ethernet(), kTunnel, false},
        {"keys of GRE", carrier().gre({.key = 1}), carrier().gre({.key = 2}), kTunnel, false},
        {"keys of GRE that differ in their first byte", carrier().gre({.key = 0x01000005}),
         carrier().gre({.key = 0x02000005}), kTunnel, true},
        {"sessions of ERSPAN", carrier().gre({.sequence = 1}).erspan2(1).ethernet(),
         carrier().gre({.sequence = 1}).erspan2(2).ethernet(), kTunnel, false},
        {"GTP-U: each direction has its TEID", carrier().udp(2152, 2152).gtp_u(1),
         carrier().udp(2152, 2152).gtp_u(2), kTunnel, true},
        {"PPTP: each direction has its call", carrier().pptp(1), carrier().pptp(2), kTunnel, true},
        {"IP in IP and none", carrier(), ethernet(), kTunnel, true},
    };
    for (const Row& row : rows) {
        CAPTURE(row.what);
        CHECK((domain(row.a, row.identity) == domain(row.b, row.identity)) == row.same);
    }
}

TEST_CASE("all parts of a domain have bits of their own") {
    std::set<std::array<std::uint16_t, 3>> domains;
    for (unsigned bit = 0; bit < 12; ++bit) {
        const auto id = static_cast<std::uint16_t>(1u << bit);
        domains.insert(domain(ethernet().vlan(id), kBoth));
        domains.insert(domain(ethernet().vlan(0xfff).vlan(id), kBoth));
    }
    for (unsigned bit = 0; bit < 24; ++bit) {
        domains.insert(domain(carrier().udp(5, 4789).vxlan(1u << bit).ethernet(), kBoth));
    }
    CHECK(domains.size() == 48);
}
