// SPDX-License-Identifier: BSD-3-Clause
#include "app/bench/card/traffic_shares.h"

#include <catch2/catch.hpp>

namespace yagura::bench {
namespace {

double share(const TrafficShares& shares, Wrapping wrapping) {
    return shares.wrapped[static_cast<std::size_t>(wrapping)];
}

TEST_CASE("shares of packets are read from percent") {
    const auto shares = parse_traffic_shares("vxlan=20,fragments=1,gtp-u=0.5,vlan=0");
    REQUIRE(shares.ok());
    CHECK(share(*shares, Wrapping::kVxlan) == Approx(0.2));
    CHECK(share(*shares, Wrapping::kGtpU) == Approx(0.005));
    CHECK(share(*shares, Wrapping::kVlan) == 0);
    CHECK(share(*shares, Wrapping::kMpls) == 0);
    CHECK(shares->fragments == Approx(0.01));
    CHECK(shares->bare() == Approx(0.795));
    CHECK(parse_traffic_shares("qinq=50,mpls=25,gre=25,fragments=100")->bare() == Approx(0));
}

TEST_CASE("what is wrong with shares is said") {
    struct Row {
        const char* text;
        const char* reason;
    };
    const Row rows[] = {
        {"", "\"\" has no share"},
        {"vxlan", "\"vxlan\" has no share"},
        {"vxlan=20,", "\"\" has no share"},
        {"geneve=20",
         "\"geneve\" is no kind of packet; there are vlan, qinq, mpls, vxlan, gre, gtp-u and fragments"},
        {"vxlan=", "vxlan: \"\" is no percentage"},
        {"vxlan=20%", "vxlan: \"20%\" is no percentage"},
        {"vxlan=-1", "vxlan: \"-1\" is no percentage"},
        {"vxlan=101", "vxlan: \"101\" is no percentage"},
        {"vxlan=nan", "vxlan: \"nan\" is no percentage"},
        {"fragments=1,fragments=2", "fragments has two shares"},
        {"vxlan=60,gre=50", "110 % together"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.text);
        const auto shares = parse_traffic_shares(row.text);
        REQUIRE_FALSE(shares.ok());
        CHECK_THAT(shares.error().message, Catch::Contains(row.reason));
    }
}

}  // namespace
}  // namespace yagura::bench
