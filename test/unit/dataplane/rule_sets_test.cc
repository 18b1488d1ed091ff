// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/rule_sets.h"

#include <catch2/catch.hpp>
#include <map>
#include <set>

#include "support/random.h"

using namespace yagura;
using dataplane::RuleSets;

TEST_CASE("sets have what was put into them, and the same ones the same number") {
    test::Random random(5);
    RuleSets sets(10'000);
    std::map<std::set<std::uint64_t>, RuleSets::Set> known{{{}, RuleSets::kEmpty}};
    for (int round = 0; round < 2000; ++round) {
        RuleSets::Set set = RuleSets::kEmpty;
        std::set<std::uint64_t> rules;
        for (int n = 0; n < 6; ++n) {
            const std::uint64_t rule = random.below(8);
            CHECK(sets.has(set, rule) == (rules.count(rule) != 0));
            if (!rules.insert(rule).second) continue;
            set = sets.with(set, rule);
            REQUIRE(set != RuleSets::kAll);
            CHECK(known.emplace(rules, set).first->second == set);
        }
        for (std::uint64_t rule = 0; rule < 8; ++rule) CHECK(sets.has(set, rule) == (rules.count(rule) != 0));
    }
}

TEST_CASE("without room a set takes every rule as its own, and those before it stay") {
    RuleSets sets(3);
    const RuleSets::Set one = sets.with(RuleSets::kEmpty, 1);
    const RuleSets::Set two = sets.with(one, 2);
    const RuleSets::Set nine = sets.with(RuleSets::kEmpty, 9);
    const RuleSets::Set none = sets.with(nine, 7);
    CHECK(none == RuleSets::kAll);
    CHECK(sets.has(none, 12345));
    CHECK(sets.with(none, 5) == RuleSets::kAll);
    CHECK(sets.with(one, 2) == two);
    CHECK(sets.has(two, 1));
    CHECK_FALSE(sets.has(nine, 7));
    RuleSets wide(4000);  // from the highest on, each makes all sets above it anew
    RuleSets::Set many = RuleSets::kEmpty;
    for (std::uint64_t rule = 0; rule < RuleSets::kMost; ++rule) many = wide.with(many, 1000 - rule);
    CHECK_FALSE(wide.has(many, 1));
    CHECK(wide.has(many, 1000));
    CHECK(wide.with(many, 1) == RuleSets::kAll);
}
