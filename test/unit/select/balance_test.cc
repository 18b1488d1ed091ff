// SPDX-License-Identifier: BSD-3-Clause
#include <bit>
#include <catch2/catch.hpp>
#include <map>

#include "base/hash.h"
#include "select/policy.h"
#include "support/rules_from_json.h"

using namespace yagura;

TEST_CASE("a balance group spreads flows evenly, and moves only those of a member that leaves") {
    const auto policy = test::policy_of(test::config_with_rules(R"([{"id": 1, "forward": ["any"]}])"));
    REQUIRE(policy->balance_groups.size() == 1);
    const select::BalanceGroup& whole = policy->balance_groups[0];
    select::BalanceGroup without_b = whole;
    without_b.members.erase(without_b.members.begin() + 1);

    constexpr int kFlows = 30'000;
    std::map<std::uint64_t, int> share;
    for (int i = 0; i < kFlows; ++i) {
        const std::uint64_t hash = base::mix(static_cast<std::uint64_t>(i) ^ base::kHashA, base::kHashB);
        const std::uint64_t member = whole.pick(hash);
        REQUIRE(std::popcount(member) == 1);
        REQUIRE(whole.pick(hash) == member);
        ++share[member];
        if (member != 2) REQUIRE(without_b.pick(hash) == member);
    }
    REQUIRE(share.size() == 3);
    for (const auto& [member, flows] : share) CHECK(std::abs(flows - kFlows / 3) < kFlows / 30);
}

TEST_CASE("a balance group of one is a copy, and a copy group's tools are one mask") {
    const auto policy = test::policy_of(
        test::config_with_rules(R"([{"id": 1, "forward": ["all"]}, {"id": 2, "forward": ["c"]}])"));
    CHECK(policy->actions[0].copy_tools == 0b1111);
    CHECK(policy->actions[1].copy_tools == 0b0100);
    for (const auto& action : policy->actions) CHECK(action.balance_groups.empty());
}
