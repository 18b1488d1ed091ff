// SPDX-License-Identifier: BSD-3-Clause
#include "app/bench/flow_writer.h"

#include <catch2/catch.hpp>
#include <set>

#include "net/checksum.h"
#include "net/packet_builder.h"

namespace yagura::bench {
namespace {

constexpr auto kEthernet = net::LinkType::kEthernet;

net::ParsedPacket parse(const std::vector<std::uint8_t>& frame) {
    return net::parse(frame, frame.size(), kEthernet);
}

/// Both checksums of an innermost packet that ends with its frame.
bool checksums_hold(const std::vector<std::uint8_t>& frame) {
    const net::ParsedPacket parsed = parse(frame);
    const base::Bytes bytes(frame);
    if (parsed.key.ip_version == 4) {
        const std::size_t size = std::size_t{4} * (frame[parsed.inner_ip] & 15);
        if (net::internet_checksum(bytes.subspan(parsed.inner_ip, size)) != 0) return false;
    }
    const base::Bytes transport = bytes.subspan(parsed.transport);
    const std::uint32_t pseudo =
        net::pseudo_header_sum(parsed.key.src, parsed.key.dst, parsed.key.ip_version, parsed.key.proto,
                               static_cast<std::uint32_t>(transport.size()));
    return net::finish_sum(net::add_to_sum(pseudo, transport)) == 0;
}

struct Row {
    const char* what;
    net::PacketBuilder packet;
};

std::vector<Row> rows() {
    using net::PacketBuilder;
    return {
        {"IPv4 TCP", PacketBuilder().ethernet().ipv4("10.0.0.1", "192.0.2.1").tcp(40000, 80).payload("abc")},
        {"IPv4 UDP", PacketBuilder().ethernet().ipv4("10.0.0.1", "192.0.2.1").udp(40000, 53).payload("abc")},
        {"VLAN, IPv6 TCP", PacketBuilder()
                               .ethernet()
                               .vlan(7)
                               .ipv6("2001:db8::1", "2001:db8::2")
                               .tcp(40000, 443)
                               .payload("abc")},
        {"IPv6 UDP",
         PacketBuilder().ethernet().ipv6("2001:db8::1", "2001:db8::2").udp(1, 65535).payload("x")},
        {"GRE, IPv4 TCP", PacketBuilder()
                              .ethernet()
                              .ipv4("198.51.100.1", "198.51.100.2")
                              .gre()
                              .ipv4("10.0.0.1", "192.0.2.1")
                              .tcp(40000, 80)
                              .payload("abc")},
    };
}

TEST_CASE("a frame gets another flow in each lap, and its checksums stay right") {
    for (const Row& row : rows()) {
        INFO(row.what);
        std::vector<std::uint8_t> frame = row.packet.build();
        const net::FlowKey key = parse(frame).key;
        const auto place = place_of_flow(frame, parse(frame));
        REQUIRE(place);
        REQUIRE(checksums_hold(frame));
        std::set<net::FlowKey> flows;
        for (std::uint64_t lap = 0; lap < 1000; ++lap) {
            write_flow(frame.data(), *place, flow_in_lap(key, lap));
            CHECK(parse(frame).key == flow_in_lap(key, lap));
            CHECK(parse(frame).malformed == net::Malformed::kNone);
            CHECK(checksums_hold(frame));
            flows.insert(parse(frame).key.canonical());
        }
        CHECK(flows.size() == 1000);
    }
}

TEST_CASE("both directions of a flow are those of one flow in every lap") {
    for (const Row& row : rows()) {
        const net::FlowKey key = parse(row.packet.build()).key;
        for (const std::uint64_t lap : {0, 1, 2, 1000, 123'456'789}) {
            CHECK(flow_in_lap(key.reversed(), lap) == flow_in_lap(key, lap).reversed());
        }
        CHECK(flow_in_lap(key, 0) == key);
    }
}

TEST_CASE("ports of services stay what they are") {
    net::FlowKey key = made_flow(5, true);
    key.sport = 65535;
    for (std::uint64_t lap = 0; lap < 70'000; lap += 7) {
        const net::FlowKey moved = flow_in_lap(key, lap);
        CHECK(moved.dport == 80);
        CHECK(moved.sport >= 1024);
    }
}

TEST_CASE("a UDP packet without checksum gets none") {
    std::vector<std::uint8_t> frame =
        net::PacketBuilder().ethernet().ipv4("10.0.0.1", "192.0.2.1").udp(5000, 53).payload("abc").build();
    const net::ParsedPacket parsed = parse(frame);
    frame[parsed.transport + 6u] = 0;
    frame[parsed.transport + 7u] = 0;
    write_flow(frame.data(), *place_of_flow(frame, parsed), flow_in_lap(parsed.key, 3));
    CHECK(frame[parsed.transport + 6u] == 0);
    CHECK(frame[parsed.transport + 7u] == 0);
}

TEST_CASE("what has no flow is left alone, and ports that are cut off") {
    const auto arp = net::PacketBuilder().ethernet().arp().build();
    CHECK_FALSE(place_of_flow(arp, parse(arp)));
    auto cut = net::PacketBuilder().ethernet().ipv4("10.0.0.1", "192.0.2.1").tcp(40000, 80).build();
    const std::size_t wire = cut.size();
    cut.resize(14 + 20 + 14);
    const auto place = place_of_flow(cut, net::parse(cut, wire, kEthernet));
    REQUIRE(place);
    CHECK(place->transport == net::kNoOffset);
}

TEST_CASE("made flows differ, and the share that is asked for is chosen") {
    std::set<net::FlowKey> flows;
    constexpr std::uint64_t kSpan = std::uint64_t{1} << 24;
    for (std::uint64_t n = 0; n < 70'000; ++n) {
        flows.insert(made_flow(n, false).canonical());
        flows.insert(made_flow(n + kSpan, false).canonical());
        flows.insert(made_flow(n + 2 * kSpan, false).canonical());
    }
    CHECK(flows.size() == 3 * 70'000);
    for (const unsigned percent : {0u, 1u, 10u, 50u, 99u, 100u}) {
        unsigned chosen = 0;
        for (std::uint64_t n = 0; n < 1000; ++n) chosen += is_chosen(n, percent) ? 1 : 0;
        CHECK(chosen == 10 * percent);
    }
}

}  // namespace
}  // namespace yagura::bench
