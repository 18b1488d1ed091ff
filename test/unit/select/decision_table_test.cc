// SPDX-License-Identifier: BSD-3-Clause
#include "select/decision_table.h"

#include <catch2/catch.hpp>
#include <vector>

#include "support/rules_from_json.h"

using namespace yagura;
using Use = select::DecisionTable::Use;
using List = std::vector<match::RuleIndex>;

namespace {

std::shared_ptr<const select::PolicySnapshot> three_rules() {
    return test::policy_of(test::config_with_rules(
        R"([{"id": 1, "forward": ["a"]}, {"id": 2, "forward": ["b", "any"]}, {"id": 3, "drop": true}])"));
}

}  // namespace

TEST_CASE("equal lists of rules with equal tools have one id, which says what they come to") {
    const auto policy = three_rules();
    select::DecisionTable table(*policy, 8, 32);
    CHECK(table.intern(List{}, 0, Use::kFlow) == select::DecisionTable::kEmpty);
    const auto both = table.intern(List{0, 1}, 0, Use::kFlow);
    CHECK(table.intern(List{0, 1}, 0, Use::kFlow) == both);
    const auto with_tools = table.intern(List{0, 1}, 0b11, Use::kFlow);
    CHECK(with_tools != both);
    CHECK(table.intern(List{0, 1}, 0b11, Use::kFlow) == with_tools);
    CHECK(table[with_tools].tools == 0b11);
    CHECK(table[both].tools == 0);
    CHECK_FALSE(table[both].drops);
    const auto dropped = table.intern(List{0, 2}, 0, Use::kFlow);
    CHECK(dropped != both);
    CHECK(table[dropped].drops);
    CHECK(std::ranges::equal(table.rules_of(both), List{0, 1}));
}

TEST_CASE("packets counted for a list count for each of its rules") {
    const auto policy = three_rules();
    select::DecisionTable table(*policy, 8, 32);
    table.count(table.intern(List{0}, 0, Use::kFlow), 1, 100);
    table.count(table.intern(List{0, 1}, 0, Use::kFlow), 2, 50);
    table.count(select::DecisionTable::kEmpty, 5, 500);
    table.count_unlisted(List{1}, 7);
    table.count_flow(1);
    std::vector<select::DecisionTable::RuleCount> totals(3);
    table.add_to(totals);
    CHECK(totals[0].count == base::Count{3, 150});
    CHECK(totals[1].count == base::Count{3, 57});
    CHECK(totals[1].flows == 1);
    CHECK(totals[2].count == base::Count{});
}

TEST_CASE("a full table refuses new lists and still knows the old") {
    const auto policy = three_rules();
    select::DecisionTable by_lists(*policy, 2, 32);
    const auto first = by_lists.intern(List{0}, 0, Use::kFlow);
    by_lists.intern(List{1}, 0, Use::kFlow);
    CHECK(by_lists.intern(List{2}, 0, Use::kFlow) == select::DecisionTable::kFull);
    CHECK(by_lists.intern(List{0}, 0, Use::kFlow) == first);

    select::DecisionTable by_rules(*policy, 8, 3);
    CHECK(by_rules.intern(List{0, 1}, 0, Use::kFlow) != select::DecisionTable::kFull);
    CHECK(by_rules.intern(List{0, 1, 2}, 0, Use::kFlow) == select::DecisionTable::kFull);
}

TEST_CASE("records leave a quarter of the table to flows") {
    const auto policy = three_rules();
    select::DecisionTable table(*policy, 3, 32);
    CHECK(table.intern(List{0}, 0, Use::kRecord) != select::DecisionTable::kFull);
    CHECK(table.intern(List{1}, 0, Use::kRecord) != select::DecisionTable::kFull);
    CHECK(table.intern(List{2}, 0, Use::kRecord) == select::DecisionTable::kFull);
    CHECK(table.intern(List{2}, 0, Use::kFlow) != select::DecisionTable::kFull);
}
