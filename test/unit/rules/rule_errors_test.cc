// SPDX-License-Identifier: BSD-3-Clause
// Faults of rules: one row each, and each row gives exactly one error.
#include <catch2/catch.hpp>
#include <string>

#include "config_samples.h"

namespace yagura::rules {
namespace {

std::string with_rules(std::string_view rules) {
    return with("\"rules\": [" + std::string(rules) + "]");
}

TEST_CASE("faults of a rule's identity are named") {
    const FaultRow rows[] = {
        {"not an object",
         with_rules(R"({"id": 1, "drop": true}, "drop")"),
         "/rules/1",
         {"expected a rule (an object)", "found a string"},
         {"\"id\": 10"}},
        {"no id", with_rules(R"({"drop": true})"), "/rules/0", {"\"id\" is missing"}, {"add \"id\": 10"}},
        {"id of zero",
         with_rules(R"({"id": 0, "drop": true})"),
         "/rules/0/id",
         {"a rule's id cannot be 0"},
         {"from 1"}},
        {"negative id", with_rules(R"({"id": -3, "drop": true})"), "/rules/0/id", {"cannot be -3"}, {}},
        {"id with a fraction",
         with_rules(R"({"id": 1.0, "drop": true})"),
         "/rules/0/id",
         {"cannot be 1.0"},
         {}},
        {"id too large",
         with_rules(R"({"id": 18446744073709551616, "drop": true})"),
         "/rules/0/id",
         {"cannot be 1.8"},
         {}},
        {"id as a string",
         with_rules(R"({"id": "10", "drop": true})"),
         "/rules/0/id",
         {"expected a rule's id", "found a string"},
         {"whole number"}},
        {"id taken",
         with_rules(R"({"id": 7, "drop": true}, {"id": 8, "drop": true}, {"id": 7, "drop": true})"),
         "/rules/2/id",
         {"the id 7 is taken by /rules/0"},
         {"own"}},
        {"name not a string",
         with_rule_keys(R"("name": 5)"),
         "/rules/0/name",
         {"expected a string"},
         {"\"web\""}},
        {"name with an escape sequence",
         with_rule_keys(R"("name": "\u001b[2J")"),
         "/rules/0/name",
         {"\\u001b"},
         {}},
        {"misspelled key",
         with_rule_keys(R"("fliter": "tcp")"),
         "/rules/0/fliter",
         {"unknown key \"fliter\""},
         {"did you mean \"filter\"?", "known keys: id, name, filter"}},
        {"longer misspelling",
         with_rule_keys(R"("payloads_all": "x")"),
         "/rules/0/payloads_all",
         {"unknown key"},
         {"did you mean \"payload_all\"?"}},
    };
    for (const FaultRow& row : rows) check_fault(row);
}

TEST_CASE("faults of a rule's conditions are named") {
    const FaultRow rows[] = {
        {"filter not a string",
         with_rule_keys(R"("filter": ["tcp"])"),
         "/rules/0/filter",
         {"expected a string", "found an array"},
         {"tcp port 80"}},
        {"empty filter",
         with_rule_keys(R"("filter": "")"),
         "/rules/0/filter",
         {"the filter is empty"},
         {"leave the key out"}},
        {"blank filter",
         with_rule_keys(R"("filter": " \t\n")"),
         "/rules/0/filter",
         {"the filter is empty"},
         {"leave the key out"}},
        {"filter cut by a zero byte",
         with_rule_keys(R"("filter": "tcp\u0000 or udp")"),
         "/rules/0/filter",
         {"zero byte"},
         {}},
        {"layer without filter",
         with_rule_keys(R"("layer": "outer")"),
         "/rules/0/layer",
         {"no filter"},
         {"add a filter"}},
        {"unknown layer",
         with_rule_keys(R"("filter": "tcp", "layer": "iner")"),
         "/rules/0/layer",
         {"unknown layer \"iner\""},
         {"did you mean \"inner\"?", "inner, outer, frame"}},
        {"layer not a string",
         with_rule_keys(R"("filter": "tcp", "layer": 2)"),
         "/rules/0/layer",
         {"expected \"inner\", \"outer\" or \"frame\""},
         {"\"outer\""}},
        {"malformed not a boolean",
         with_rule_keys(R"("malformed": "yes")"),
         "/rules/0/malformed",
         {"expected true or false", "found a string"},
         {}},
        {"unknown scope",
         with_rule_keys(R"("scope": "flow")"),
         "/rules/0/scope",
         {"unknown scope \"flow\""},
         {"session, onward, packet"}},
        {"payload of a wrong type",
         with_rule_keys(R"("payload": {"any": []})"),
         "/rules/0/payload",
         {"expected an array of strings", "found an object"},
         {"union"}},
        {"no pattern",
         with_rule_keys(R"("payload": [])"),
         "/rules/0/payload",
         {"is empty"},
         {"leave the key out"}},
        {"no pattern of all",
         with_rule_keys(R"("payload_all": [])"),
         "/rules/0/payload_all",
         {"is empty"},
         {}},
        {"pattern not a string",
         with_rule_keys(R"("payload": ["a", 5])"),
         "/rules/0/payload/1",
         {"expected a pattern (a string)", "found a number"},
         {}},
        {"empty pattern",
         with_rule_keys(R"("payload_all": ["a", ""])"),
         "/rules/0/payload_all/1",
         {"the pattern is empty"},
         {}},
        {"empty pattern by itself",
         with_rule_keys(R"("payload": "")"),
         "/rules/0/payload",
         {"the pattern is empty"},
         {}},
        {"flag that is none",
         with_rule_keys(R"("payload": ["/a/g"])"),
         "/rules/0/payload/0",
         {"unknown flag"},
         {"i (any case)"}},
        {"path taken for a regex",
         with_rule_keys(R"("payload": ["/admin"])"),
         "/rules/0/payload/0",
         {"no second /"},
         {R"("/\\/admin/")"}},
    };
    for (const FaultRow& row : rows) check_fault(row);
}

TEST_CASE("faults of a rule's action are named") {
    const FaultRow rows[] = {
        {"no action",
         with_rules(R"({"id": 1})"),
         "/rules/0",
         {"neither drops nor forwards"},
         {"either \"drop\": true or \"forward\""}},
        {"drop: false is no action",
         with_rules(R"({"id": 1, "drop": false})"),
         "/rules/0",
         {"neither drops nor forwards"},
         {}},
        {"both actions",
         with_rules(R"({"id": 1, "drop": true, "forward": ["ids"]})"),
         "/rules/0",
         {"both drops and forwards"},
         {}},
        {"drop not a boolean",
         with_rules(R"({"id": 1, "drop": 1})"),
         "/rules/0/drop",
         {"expected true or false", "found a number"},
         {}},
        {"forward to nobody",
         with_rules(R"({"id": 1, "forward": []})"),
         "/rules/0/forward",
         {"is empty"},
         {"\"drop\": true"}},
        {"forward as a string",
         with_rules(R"({"id": 1, "forward": "ids"})"),
         "/rules/0/forward",
         {"expected an array", "found a string"},
         {"[\"ids\"]"}},
        {"forward to a number",
         with_rules(R"({"id": 1, "forward": ["ids", 2]})"),
         "/rules/0/forward/1",
         {"expected the name of a tool group or a tool port"},
         {}},
        {"unknown tool",
         with_rules(R"({"id": 1, "forward": ["idz"]})"),
         "/rules/0/forward/0",
         {"unknown tool \"idz\""},
         {"did you mean \"ids\"?", "known tool groups and tool ports: ids, rec, ids0, ids1, rec0"}},
        {"unknown tool unlike any",
         with_rules(R"({"id": 1, "forward": ["splunk"]})"),
         "/rules/0/forward/0",
         {"unknown tool \"splunk\""},
         {"known tool groups and tool ports: ids"}},
        {"no tool to forward to",
         R"({"ports": {"n": {"role": "network", "device": "x"}}, "rules": [{"id": 1, "forward": ["t"]}]})",
         "/rules/0/forward/0",
         {"unknown tool \"t\""},
         {"add a tool port"}},
        {"network port",
         with_rules(R"({"id": 1, "forward": ["tap0"]})"),
         "/rules/0/forward/0",
         {"\"tap0\" is a network port"},
         {"tool group or a tool port"}},
        {"group twice",
         with_rules(R"({"id": 1, "forward": ["ids", "rec", "ids"]})"),
         "/rules/0/forward/2",
         {"\"ids\" is already entry 0"},
         {"once"}},
        {"port twice",
         with_rules(R"({"id": 1, "forward": ["rec", "ids0", "ids0"]})"),
         "/rules/0/forward/2",
         {"\"ids0\" is already entry 1"},
         {}},
    };
    for (const FaultRow& row : rows) check_fault(row);
}

TEST_CASE("all faults are reported in one run, in the order of the file's sections") {
    const ConfigOutcome outcome = parse_config(read_source("test/data/config/many_faults.jsonc"));
    std::vector<std::string> pointers;
    for (const ConfigError& error : outcome.errors) pointers.push_back(error.pointer);
    CHECK(pointers == std::vector<std::string>{"/ports/ids0/device", "/lcores/rx", "/ports/ids0/speed",
                                               "/ports/rec0/rate", "/tool_groups/empty/members",
                                               "/tool_groups/ids/members/1", "/rules/0/fliter",
                                               "/rules/0/forward/0", "/rules/1/id", "/rules/1/payload/1",
                                               "/rules/1", "/rules/2", "/rules/2/layer", "/inspect/flows"});
}

TEST_CASE("with errors, a rule and a pattern keep their places") {
    const ConfigOutcome outcome = parse_config(with_rules(R"(
        5,
        {"id": 2, "filter": "tcp", "forward": ["nobody", "rec"], "payload": ["", 5, "c"]},
        {"id": 2, "filter": "udp", "drop": true})"));
    CHECK(outcome.errors.size() == 5);
    REQUIRE(outcome.config.rules.size() == 3);
    CHECK(outcome.config.rules[1].filter == "tcp");
    CHECK(outcome.config.rules[1].forward == std::vector<std::size_t>{1});
    REQUIRE(outcome.config.rules[1].payload.size() == 3);
    CHECK(outcome.config.rules[1].payload[2].bytes == "c");
    CHECK(outcome.config.rules[2].filter == "udp");
    CHECK_NOTHROW(canonical_json(outcome.config));
}

}  // namespace
}  // namespace yagura::rules
