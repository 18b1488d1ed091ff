// SPDX-License-Identifier: BSD-3-Clause
#include "app/bench/card/flow_classes.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <set>

#include "support/rules_from_json.h"

namespace yagura::bench {
namespace {

struct Planned {
    rules::Config config;
    std::shared_ptr<const select::PolicySnapshot> policy;
    ClassPlan plan;

    explicit Planned(const std::string& rules)
        : config(test::config_with_rules("[" + rules + "]")),
          policy(test::policy_of(config)),
          plan(plan_classes(config, policy)) {}
};

TEST_CASE("flows that a rule forwards are made from the rule") {
    const char* const rows[] = {
        // plain filters
        R"({"id": 1, "forward": ["a"]})",
        R"({"id": 1, "filter": "tcp port 443", "forward": ["a"]})",
        R"({"id": 1, "filter": "udp dst port 53", "forward": ["a"]})",
        R"({"id": 1, "filter": "tcp src port 80", "forward": ["a"], "scope": "onward"})",
        R"({"id": 1, "filter": "host 10.0.0.9 and tcp port 873", "forward": ["a"]})",
        R"({"id": 1, "filter": "src net 172.16.0.0/12 and portrange 1000-2000", "forward": ["a"]})",
        R"({"id": 1, "filter": "host 2001:db8::7", "forward": ["a"]})",
        R"({"id": 1, "filter": "icmp", "forward": ["a"]})",
        R"({"id": 1, "filter": "icmp6", "forward": ["a"]})",
        R"({"id": 1, "filter": "ip proto 47", "forward": ["a"]})",
        R"({"id": 1, "filter": "src host 10.1.1.1 and dst host 10.2.2.2 and tcp src port 7 and tcp dst port 8",
            "forward": ["a"]})",
        // arbitrary ones
        R"({"id": 1, "filter": "not tcp", "forward": ["a"]})",
        R"({"id": 1, "filter": "tcp port 8080 and not host 10.64.0.1", "forward": ["a"]})",
        R"({"id": 1, "filter": "tcp[tcpflags] & tcp-syn != 0", "forward": ["a"], "scope": "packet"})",
        R"({"id": 1, "filter": "vlan 7", "forward": ["a"]})",
        R"({"id": 1, "filter": "ip6 and udp port 500 and not port 501", "forward": ["a"]})",
        // payload
        R"({"id": 1, "filter": "tcp", "payload": ["/union\\s+select/i"], "forward": ["a"]})",
        R"({"id": 1, "filter": "tcp port 80", "payload_all": ["POST ", "/passw(or)?d=/i"], "forward": ["a"]})",
        R"({"id": 1, "payload": {"pattern": "abc", "offset": 100}, "forward": ["a"]})",
        R"({"id": 1, "filter": "udp port 53", "payload": "evil", "forward": ["a"], "scope": "packet"})",
        R"({"id": 1, "filter": "tcp port 80",
            "payload_all": [{"pattern": "GET /admin", "direction": "to_server"},
                            {"pattern": "/^HTTP\\/1.[01] 200 /", "direction": "to_client", "depth": 16}],
            "payload_none": [{"pattern": "/^(authorization|cookie):/im", "direction": "to_server"}],
            "forward": ["a"]})",
        R"({"id": 1, "filter": "tcp port 443",
            "payload_none": [{"pattern": "/^\\x16\\x03/", "direction": "to_server"}], "forward": ["a"]})",
    };
    for (const char* row : rows) {
        CAPTURE(row);
        const Planned planned(row);
        REQUIRE_FALSE(planned.plan.selected.empty());
        FlowAsker asker(planned.policy);
        for (const FlowClass& made : planned.plan.selected) {
            const FlowAsker::Answer answer = asker.ask(made);
            CHECK(answer.selected);
            CHECK(answer.rules == std::vector<match::RuleIndex>{0});
        }
    }
}

TEST_CASE("flows that nothing forwards are not forwarded") {
    const char* const rows[] = {
        R"({"id": 1, "filter": "tcp port 80", "forward": ["a"]})",
        R"({"id": 1, "filter": "tcp", "forward": ["a"]})",
        R"({"id": 1, "filter": "tcp", "payload": "x1y2z3", "forward": ["a"]})",
        R"({"id": 1, "filter": "port 9", "forward": ["a"]})",
    };
    for (const char* row : rows) {
        CAPTURE(row);
        const Planned planned(row);
        CHECK_FALSE(planned.plan.others_selected);
        REQUIRE_FALSE(planned.plan.others.empty());
        FlowAsker asker(planned.policy);
        for (const FlowClass& made : planned.plan.others) CHECK_FALSE(asker.ask(made).selected);
    }
    CHECK(Planned(R"({"id": 1, "forward": ["a"]})").plan.others_selected);
}

TEST_CASE("where there are payload rules, what they do not forward is looked into") {
    const Planned planned(R"({"id": 1, "filter": "tcp port 80", "forward": ["a"]},
                             {"id": 2, "filter": "tcp", "payload": "x1y2z3", "forward": ["b"]},
                             {"id": 3, "filter": "udp port 53", "payload": "x1y2z3", "forward": ["b"]})");
    FlowAsker asker(planned.policy);
    std::set<std::uint8_t> protocols;
    for (const FlowClass& made : planned.plan.others) {
        const FlowAsker::Answer answer = asker.ask(made);
        CHECK(answer.inspected);
        CHECK(answer.rules.empty());
        protocols.insert(made.key.proto);
    }
    CHECK(protocols == std::set<std::uint8_t>{net::ip_proto::kTcp, net::ip_proto::kUdp});
}

TEST_CASE("a rule that a drop stands before, or that cannot be met, has no flows") {
    const Planned planned(R"({"id": 1, "filter": "tcp", "drop": true},
                             {"id": 2, "filter": "tcp port 80", "forward": ["a"]},
                             {"id": 3, "filter": "udp", "payload": "/[[:digit:]]{3}/", "forward": ["a"], "scope": "packet"},
                             {"id": 4, "filter": "udp port 53", "forward": ["b"]})");
    FlowAsker asker(planned.policy);
    REQUIRE_FALSE(planned.plan.selected.empty());
    for (const FlowClass& made : planned.plan.selected)
        CHECK(asker.ask(made).rules == std::vector<match::RuleIndex>{3});
}

TEST_CASE("flows of a class differ in what its rule leaves open") {
    const Planned planned(
        R"({"id": 1, "filter": "src net 172.16.0.0/12 and tcp dst port 80", "forward": ["a"]})");
    const FlowClass& made = planned.plan.selected.at(0);
    std::set<net::FlowKey> keys;
    for (std::uint64_t n = 0; n < 10'000; ++n) {
        const net::FlowKey key = made.nth(n);
        CHECK((key.src[0] == 172 && key.src[1] >> 4 == 1));
        CHECK(key.dport == 80);
        keys.insert(key);
    }
    CHECK(keys.size() == 10'000);
    CHECK(made.flows() > 1'000'000);
    const Planned one(
        R"({"id": 1, "filter": "src host 10.1.1.1 and dst host 10.2.2.2 and tcp src port 7 and tcp dst port 8",
            "forward": ["a"]})");
    CHECK(one.plan.selected.at(0).flows() == 1);
    CHECK(one.plan.selected.at(0).nth(12'345) == one.plan.selected.at(0).key);
}

}  // namespace
}  // namespace yagura::bench
