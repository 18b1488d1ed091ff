// SPDX-License-Identifier: BSD-3-Clause
#include "reset/block_target.h"

#include <catch2/catch.hpp>
#include <utility>

#include "net/packet_builder.h"
#include "reset/never_cut.h"
#include "support/random.h"

using namespace yagura;
using net::FlowKey;
using reset::BlockTarget;
using reset::NeverCut;

namespace {

FlowKey key(const char* src, std::uint16_t sport, const char* dst, std::uint16_t dport,
            std::uint8_t proto = 6) {
    FlowKey made;
    const auto from = *net::parse_address(src);
    made.src = from.address;
    made.dst = net::parse_address(dst)->address;
    made.sport = sport;
    made.dport = dport;
    made.proto = proto;
    made.ip_version = from.ip_version;
    return made;
}

BlockTarget target(const char* text) {
    const auto parsed = reset::parse_block_target(text);
    REQUIRE(parsed);
    return *parsed;
}

}  // namespace

TEST_CASE("targets are written as they are read") {
    for (const char* text : {"10.0.0.0/8", "0.0.0.0/0", "192.0.2.1", "2001:db8::/32", "::/0", "2001:db8::1",
                             "tcp 10.0.0.1:4000 192.0.2.2:80", "udp [2001:db8::1]:53 [2001:db8::2]:5353",
                             "sctp 10.0.0.1:1 10.0.0.2:2", "47 10.0.0.1:0 10.0.0.2:0"}) {
        INFO(text);
        CHECK(target(to_string(target(text)).c_str()) == target(text));
    }
    CHECK(to_string(target("10.1.2.3/32")) == "10.1.2.3");
}

TEST_CASE("a prefix with bits behind its length is no target, and its network is known") {
    for (const auto& [text, network] :
         {std::pair{"10.1.2.3/8", "10.0.0.0/8"}, std::pair{"2001:db8::5/127", "2001:db8::4/127"},
          std::pair{"10.255.0.0/13", "10.248.0.0/13"}, std::pair{"192.0.2.1/0", "0.0.0.0/0"},
          std::pair{"2001:db8::1/64", "2001:db8::/64"}}) {
        INFO(text);
        CHECK_FALSE(reset::parse_block_target(text));
        REQUIRE(reset::parse_network(text));
        CHECK(to_string(*reset::parse_network(text)) == network);
    }
    CHECK(reset::parse_network("10.0.0.0/8") == target("10.0.0.0/8"));
    for (const char* text : {"10.0.0.1", "10.0.0.1/33", "::1/129", "x/8", "10.0.0.1/"})
        CHECK_FALSE(reset::parse_network(text));
}

TEST_CASE("what is no target is none") {
    for (const char* text :
         {"", "x", "10.0.0.1/33", "10.0.0.1/", "10.0.0.1/-1", "10.0.0.1/8x", "::1/129", "tcp",
          "tcp 10.0.0.1:1", "tcp 10.0.0.1:1 [::1]:2", "tcp 10.0.0.1:1 10.0.0.2:65536",
          "tcp 10.0.0.1 10.0.0.2", "tcp ::1:1 ::2:2", "tcp [10.0.0.1]:1 10.0.0.2:2",
          "256 10.0.0.1:1 10.0.0.2:2", "tcp 10.0.0.1:1 10.0.0.2:2 ", " 10.0.0.1"}) {
        INFO(text);
        CHECK_FALSE(reset::parse_block_target(text));
    }
}

TEST_CASE("a connection is the same from both ends, whatever its VLAN") {
    FlowKey there = key("10.0.0.1", 4000, "192.0.2.2", 80);
    there.domain = {1, 2, 3};
    const BlockTarget connection = target("tcp 192.0.2.2:80 10.0.0.1:4000");
    CHECK(BlockTarget::connection(there) == connection);
    CHECK(BlockTarget::connection(there.reversed()) == connection);
    CHECK(connection.covers(there));
    CHECK_FALSE(connection.covers(key("10.0.0.1", 4001, "192.0.2.2", 80)));
    CHECK_FALSE(connection.covers(key("10.0.0.1", 4000, "192.0.2.2", 80, 17)));
}

TEST_CASE("a prefix covers what its bits say") {
    test::Random random(3);
    for (int round = 0; round < 20'000; ++round) {
        const bool v4 = random.one_in(2);
        const unsigned bits = v4 ? 32 : 128;
        net::IpAddress address{};
        for (unsigned i = 0; i < bits / 8; ++i) address[i] = static_cast<std::uint8_t>(random.word());
        const std::uint8_t length = static_cast<std::uint8_t>(random.between(0, bits));
        const std::uint8_t version = v4 ? 4 : 6;
        const BlockTarget prefix = BlockTarget::prefix(address, version, length);
        REQUIRE(prefix.covers(address, version));
        REQUIRE_FALSE(prefix.covers(address, v4 ? 6 : 4));
        const unsigned flipped = random.below(bits);
        net::IpAddress other = address;
        other[flipped / 8] = static_cast<std::uint8_t>(other[flipped / 8] ^ (0x80 >> flipped % 8));
        REQUIRE(prefix.covers(other, version) == (flipped >= length));
    }
}

TEST_CASE("what is never cut") {
    const BlockTarget prefixes[] = {target("10.0.0.0/8"), target("2001:db8:1::/48")};
    const std::uint16_t ports[] = {22, 179};
    const NeverCut never(prefixes, ports);
    CHECK(never.covers(key("10.1.2.3", 1, "192.0.2.1", 80)));
    CHECK(never.covers(key("192.0.2.1", 1, "10.1.2.3", 80)));
    CHECK(never.covers(key("192.0.2.1", 22, "198.51.100.1", 5000)));
    CHECK(never.covers(key("192.0.2.1", 5000, "198.51.100.1", 179)));
    CHECK(never.covers(key("2001:db8:1::9", 1, "2001:db8:2::9", 2)));
    CHECK_FALSE(never.covers(key("192.0.2.1", 5000, "198.51.100.1", 80)));
    CHECK_FALSE(never.covers(key("192.0.2.1", 22, "198.51.100.1", 22, 47)));
    CHECK_FALSE(NeverCut().covers(key("10.1.2.3", 22, "10.1.2.4", 22)));

    CHECK(never.forbids(target("10.2.0.0/16")));
    CHECK(never.forbids(target("0.0.0.0/0")));
    CHECK(never.forbids(target("10.2.3.4")));
    CHECK(never.forbids(target("::/0")));
    CHECK(never.forbids(target("tcp 10.2.3.4:1 192.0.2.1:2")));
    CHECK(never.forbids(target("tcp 192.0.2.1:22 192.0.2.2:2")));
    CHECK_FALSE(never.forbids(target("11.0.0.0/8")));
    CHECK_FALSE(never.forbids(target("2001:db8:2::/48")));
    CHECK_FALSE(never.forbids(target("tcp 192.0.2.1:1 192.0.2.2:2")));
}
