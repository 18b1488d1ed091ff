// SPDX-License-Identifier: BSD-3-Clause
#include "app/bench/card/used_features.h"

#include <catch2/catch.hpp>

#include "support/rules_from_json.h"

namespace yagura::bench {
namespace {

broker::LoadedConfig loaded(const std::string& rules, const std::string& more = "") {
    auto all = broker::compile_config({.config = test::config_with_rules(rules, more), .errors = {}},
                                      net::LinkType::kEthernet);
    REQUIRE(all.ok());
    return all;
}

TEST_CASE("a rule is of the kind that it is asked by") {
    struct Row {
        const char* rule;
        RuleKind kind;
    };
    const Row rows[] = {
        {R"({"id": 1, "forward": ["a"]})", RuleKind::kFlow},
        {R"({"id": 1, "filter": "tcp port 80", "forward": ["a"]})", RuleKind::kFlow},
        {R"({"id": 1, "filter": "not tcp", "drop": true})", RuleKind::kFlow},
        {R"({"id": 1, "filter": "tcp port 80", "forward": ["a"], "scope": "onward"})", RuleKind::kFlow},
        {R"({"id": 1, "filter": "tcp port 80", "forward": ["a"], "scope": "packet"})", RuleKind::kPacket},
        {R"({"id": 1, "filter": "tcp[13] & 4 != 0", "forward": ["a"]})", RuleKind::kPacket},
        {R"({"id": 1, "filter": "vlan 7", "forward": ["a"]})", RuleKind::kPacket},
        {R"({"id": 1, "malformed": true, "forward": ["a"]})", RuleKind::kPacket},
        {R"({"id": 1, "filter": "tcp", "payload": "x", "forward": ["a"]})", RuleKind::kPayload},
        {R"({"id": 1, "payload_none": "x", "forward": ["a"], "scope": "packet"})", RuleKind::kPayload},
    };
    for (const Row& row : rows) {
        CAPTURE(row.rule);
        const auto one = loaded("[" + std::string(row.rule) + "]");
        CHECK(kind_of(one.config.rules[0], one.summaries[0]) == row.kind);
        const rules::Config same = with_rules_of(one, row.kind);
        CHECK(same.rules == one.config.rules);
        const RuleKind other = row.kind == RuleKind::kFlow ? RuleKind::kPacket : RuleKind::kFlow;
        CHECK(with_rules_of(one, other).rules.empty());
    }
}

TEST_CASE("what a configuration uses is found in its rules") {
    const auto used = Features::of(loaded(R"([
        {"id": 1, "filter": "host 10.0.0.9", "drop": true},
        {"id": 2, "filter": "not tcp", "forward": ["b"]},
        {"id": 3, "forward": ["any"]},
        {"id": 4, "filter": "tcp[13] & 4 != 0", "forward": ["a"], "scope": "packet"},
        {"id": 5, "filter": "udp port 53", "payload": ["x", {"pattern": "y", "direction": "to_server"}],
         "payload_none": {"pattern": "z", "direction": "to_client"}, "forward": ["a"]},
        {"id": 6, "payload": "x", "forward": ["a"], "scope": "packet"}])",
                                          R"(, "inspect": {"flow_key": ["vlan"]})"));
    CHECK(used.flow_rules.rules == 3);
    CHECK(used.flow_rules.plain == 1);
    CHECK(used.flow_rules.arbitrary == 1);
    CHECK(used.flow_rules.bare == 1);
    CHECK(used.packet_rules.rules == 1);
    CHECK(used.packet_rules.arbitrary == 1);
    CHECK(used.payload_rules.rules == 2);
    CHECK(used.packet_payload_rules == 1);
    CHECK(used.patterns == 4);
    CHECK(used.patterns_to_server == 1);
    CHECK(used.patterns_to_client == 1);
    CHECK(used.payload_protocols == std::set<std::string>{"any", "udp"});
    CHECK(used.holds);
    CHECK(used.tools == std::set<std::size_t>{0, 1, 2});
    CHECK(used.balance_groups.size() == 1);
    CHECK(used.flow_key);
}

TEST_CASE("what a configuration does not use is not found") {
    const auto none = Features::of(loaded("[]"));
    CHECK(none.flow_rules.rules + none.packet_rules.rules + none.payload_rules.rules + none.patterns == 0);
    CHECK(none.tools.empty());
    CHECK(none.balance_groups.empty());
    CHECK_FALSE(none.holds);
    CHECK_FALSE(none.flow_key);
    // Only rules of scope session hold, and only where something may be held.
    const char* const onward = R"([{"id": 1, "payload": "x", "forward": ["a"], "scope": "onward"}])";
    const char* const session = R"([{"id": 1, "payload": "x", "forward": ["a"]}])";
    CHECK_FALSE(Features::of(loaded(onward)).holds);
    CHECK_FALSE(Features::of(loaded(R"([{"id": 1, "payload": "x", "reset": true}])")).holds);
    CHECK(Features::of(loaded(session)).holds);
    CHECK_FALSE(Features::of(loaded(session, R"(, "inspect": {"hold_bytes": 0})")).holds);
}

TEST_CASE("limits of tools, samples, a response and who stands in are found") {
    const auto with = [](const std::string& more) {
        auto outcome = rules::parse_config(R"({"ports": {"lan": {"role": "network", "device": "loop:"},
            "a": {"role": "tool", "device": "loop:", "rate": "1Gbps"},
            "b": {"role": "tool", "device": "loop:", "queue": {"packets": 64}},
            "c": {"role": "tool", "device": "loop:"}}, )" +
                                           more + "}");
        auto all = broker::compile_config(std::move(outcome), net::LinkType::kEthernet);
        REQUIRE(all.ok());
        return Features::of(all);
    };
    const auto limited = with(R"("rules": [{"id": 1, "filter": "tcp", "sample": 10, "forward": ["a"]},
                                           {"id": 2, "filter": "udp", "forward": ["b", "c"]}])");
    CHECK(limited.limited_tools == std::set<std::size_t>{0, 1});
    CHECK(limited.flow_rules.samples == 1);
    CHECK_FALSE(limited.response);
    CHECK_FALSE(limited.stand_in);
    CHECK(with(R"("rules": [{"id": 1, "forward": ["c"]}])").limited_tools.empty());
    CHECK(with(R"("response": {"enabled": true}, "rules": [])").response);
    const char* const group = R"("rules": [{"id": 1, "forward": ["g"]}], "tool_groups": {"g": )";
    CHECK(with(group + std::string(R"({"members": ["a"], "standby": ["c"]}})")).stand_in ==
          rules::GroupMode::kCopy);
    CHECK(with(group + std::string(R"({"members": ["a", "c"], "mode": "balance"}})")).stand_in ==
          rules::GroupMode::kBalance);
    CHECK_FALSE(with(group + std::string(R"({"members": ["a"], "mode": "balance"}})")).stand_in);
    CHECK_FALSE(with(group + std::string(R"({"members": ["a", "c"]}})")).stand_in);
}

TEST_CASE("everything to some tools is one rule without a condition") {
    const auto one = with_everything_to(loaded("[]").config, {1, 3}, rules::GroupMode::kBalance);
    REQUIRE(one.rules.size() == 1);
    const rules::ToolGroup& group = one.tool_groups[one.rules[0].forward[0]];
    CHECK(group.mode == rules::GroupMode::kBalance);
    CHECK(group.members == std::vector<rules::GroupMember>{{base::ToolId(1), {}}, {base::ToolId(3), {}}});
    CHECK(one.rules[0].filter.empty());
}

}  // namespace
}  // namespace yagura::bench
