// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/flow_round.h"

#include <catch2/catch.hpp>
#include <set>

using yagura::dataplane::FlowRound;

namespace {

std::multiset<std::uint32_t> rest_of(FlowRound& round) {
    std::multiset<std::uint32_t> seen;
    while (!round.over()) seen.insert(round.next());
    return seen;
}

}  // namespace

TEST_CASE("a round comes by every entry once, wherever the one before it has stopped") {
    FlowRound round;
    CHECK(round.over());
    round.begin(0);
    CHECK(round.over());
    for (const std::uint32_t entries : {3u, 3u, 5u, 8u}) {
        round.begin(entries);
        std::multiset<std::uint32_t> all;
        for (std::uint32_t i = 0; i < entries; ++i) all.insert(i);
        CHECK(rest_of(round) == all);
    }
}

TEST_CASE("a round that begins in the middle of another, in a table that has grown, misses nobody") {
    FlowRound round;
    round.begin(10);
    for (int i = 0; i < 7; ++i) round.next();
    round.begin(20);
    CHECK(round.next() == 7);
    const auto rest = rest_of(round);
    CHECK(rest.size() == 19);
    for (std::uint32_t i = 0; i < 20; ++i) CHECK(rest.count(i) == (i == 7 ? 0u : 1u));
}
