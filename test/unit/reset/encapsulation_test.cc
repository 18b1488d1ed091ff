// SPDX-License-Identifier: BSD-3-Clause
#include "reset/encapsulation.h"

#include <catch2/catch.hpp>

#include "net/protocol_numbers.h"
#include "seen_frames.h"
#include "support/random.h"

using namespace yagura;
using net::LinkType;
using net::PacketBuilder;
using reset::Encapsulation;
using reset::Refusal;

namespace {

Refusal take(const std::vector<std::uint8_t>& frame, Encapsulation& out) {
    return Encapsulation::take(frame, net::parse(frame, frame.size(), LinkType::kEthernet), out);
}

}  // namespace

TEST_CASE("what is in front of a flow is taken, or refused with its reason") {
    for (const SeenFrame& seen : seen_frames()) {
        INFO(seen.name);
        Encapsulation taken;
        CHECK(reset::refusal_name(take(seen_bytes(seen), taken)) == reset::refusal_name(seen.onward));
        if (seen.onward != Refusal::kNone) continue;
        Encapsulation reversed = taken;
        CHECK(reset::refusal_name(reversed.reverse()) == reset::refusal_name(seen.back));
    }
}

TEST_CASE("frames of one direction have the same front, whatever they carry") {
    for (const SeenFrame& seen : seen_frames()) {
        if (seen.onward != Refusal::kNone) continue;
        INFO(seen.name);
        Encapsulation one;
        Encapsulation other;
        REQUIRE(take(seen_bytes(seen), one) == Refusal::kNone);
        REQUIRE(take(seen_ip(seen).tcp(40000, 443).build(), other) == Refusal::kNone);
        CHECK(one == other);
    }
}

TEST_CASE("there and back again is the same way, but for outer TTLs") {
    for (const SeenFrame& seen : seen_frames()) {
        if (seen.onward != Refusal::kNone || seen.back != Refusal::kNone) continue;
        INFO(seen.name);
        Encapsulation there;
        REQUIRE(take(seen_bytes(seen), there) == Refusal::kNone);
        Encapsulation twice = there;
        REQUIRE(twice.reverse() == Refusal::kNone);
        CHECK(twice != there);
        REQUIRE(twice.reverse() == Refusal::kNone);
        REQUIRE(there.reverse() == Refusal::kNone);
        REQUIRE(there.reverse() == Refusal::kNone);
        CHECK(twice == there);
    }
}

TEST_CASE("a port that is no bridge's has addresses of its own") {
    Encapsulation taken;
    const auto frame = PacketBuilder().ethernet().vlan(5).ipv4("10.0.0.1", "10.0.0.2").tcp(1, 2).build();
    REQUIRE(take(frame, taken) == Refusal::kNone);
    taken.address({.own = {2, 0, 0, 0, 0, 0xaa}, .next_hop = {2, 0, 0, 0, 0, 0xbb}});
    const std::vector<std::uint8_t> expected{2, 0, 0, 0, 0, 0xbb, 2, 0, 0, 0, 0, 0xaa, 0x81, 0, 0, 5, 8, 0};
    CHECK(std::vector(taken.bytes().begin(), taken.bytes().end()) == expected);
}

TEST_CASE("in another network there is nothing in front of the first IP header but the port's addresses") {
    const reset::LinkAddresses link{.own = {2, 0, 0, 0, 0, 0xaa}, .next_hop = {2, 0, 0, 0, 0, 0xbb}};
    const auto plain = [] { return PacketBuilder().ethernet(); };
    const auto pseudowire = [plain] {
        return plain().mpls(16).ethernet({2, 0, 0, 0, 1, 2}, {2, 0, 0, 0, 1, 1}).vlan(9);
    };
    const auto vxlan = [](PacketBuilder builder) {
        builder.ipv4("198.51.100.1", "198.51.100.2").udp(50000, 4789).vxlan(99);
        return builder.ethernet({2, 0, 0, 0, 1, 2}, {2, 0, 0, 0, 1, 1}).vlan(8);
    };
    const auto over_ipv6 = [](PacketBuilder builder) {
        return builder.ipv6("2001:db8:ffff::1", "2001:db8:ffff::2").gre({.key = 77});
    };
    struct Row {
        const char* name;
        PacketBuilder seen, moved;
    };
    const Row rows[]{{"nothing else", plain(), plain()},
                     {"a tag", plain().vlan(5), plain()},
                     {"two tags", plain().vlan(5, 0x88a8).vlan(6), plain()},
                     {"PPPoE", plain().vlan(7).pppoe(42), plain()},
                     {"MPLS", plain().mpls(16).mpls(17), plain()},
                     {"a pseudowire", pseudowire(), plain()},
                     {"LLC", plain().llc_snap(), plain()},
                     {"a tunnel", vxlan(plain()), vxlan(plain())},
                     {"a tunnel behind a tag", vxlan(plain().vlan(5)), vxlan(plain())},
                     {"a tunnel over IPv6 behind MPLS", over_ipv6(plain().mpls(16)), over_ipv6(plain())}};
    for (const Row& row : rows) {
        for (const std::uint8_t version : {std::uint8_t{4}, std::uint8_t{6}}) {
            INFO(row.name << ", IPv" << int{version});
            const auto with_flow = [version](PacketBuilder front) {
                version == 4 ? front.ipv4("10.0.0.1", "10.0.0.2") : front.ipv6("2001:db8::1", "2001:db8::2");
                return front.tcp(1, 2).build();
            };
            Encapsulation seen;
            Encapsulation expected;
            REQUIRE(take(with_flow(row.seen), seen) == Refusal::kNone);
            REQUIRE(take(with_flow(row.moved), expected) == Refusal::kNone);
            seen.move_to(link, version);
            expected.address(link);
            CHECK(seen == expected);
        }
    }
}

TEST_CASE("a flow whose packets are authenticated is refused") {
    Encapsulation taken;
    CHECK(
        take(
            PacketBuilder().ethernet().ipv4("10.0.0.1", "10.0.0.2").authentication_header().tcp(1, 2).build(),
            taken) == Refusal::kAuthenticated);
    const auto with = [](bool authenticated) {
        PacketBuilder builder =
            PacketBuilder().ethernet().ipv6("2001:db8::1", "2001:db8::2").ipv6_extension(60, 16);
        return authenticated ? builder.authentication_header().tcp(1, 2)
                             : builder.ipv6_extension(43).tcp(1, 2);
    };
    CHECK(take(with(true).build(), taken) == Refusal::kAuthenticated);
    CHECK(take(with(false).build(), taken) == Refusal::kNone);
}

TEST_CASE("no network to send into, or no flow to cut") {
    Encapsulation taken;
    const auto raw = PacketBuilder().ipv4("10.0.0.1", "10.0.0.2").tcp(1, 2).build();
    CHECK(Encapsulation::take(raw, net::parse(raw, raw.size(), LinkType::kRaw), taken) ==
          Refusal::kNotEthernet);
    CHECK(take(PacketBuilder().ethernet().arp().build(), taken) == Refusal::kNoFlow);
    CHECK(take({}, taken) == Refusal::kNoFlow);
}

// What the parser found and what the reader walks through are two programs' opinions of hostile bytes.
TEST_CASE("damaged frames are read within their bounds, and what is taken ends where the packet begins") {
    test::Random random(6);
    const std::vector<SeenFrame> all = seen_frames();
    std::size_t taken_count = 0;
    for (int round = 0; round < 200'000; ++round) {
        std::vector<std::uint8_t> frame = seen_bytes(all[random.below(all.size())]);
        for (std::uint32_t n = random.below(4); n > 0; --n) {
            frame[random.below(frame.size())] = static_cast<std::uint8_t>(random.word());
        }
        if (random.one_in(4)) frame.resize(random.below(frame.size() + 1));
        frame.shrink_to_fit();
        const net::ParsedPacket parsed = net::parse(frame, frame.size(), LinkType::kEthernet);
        Encapsulation taken;
        if (Encapsulation::take(frame, parsed, taken) != Refusal::kNone) continue;
        ++taken_count;
        REQUIRE(taken.size() <= parsed.inner_ip);
        REQUIRE(taken.size() >= 14);
    }
    CHECK(taken_count > 50'000);
}
