// SPDX-License-Identifier: BSD-3-Clause
// Configurations that are right, and the values that come of them.
#include "rules/config.h"

#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <string>

#include "config_samples.h"

namespace yagura::rules {
namespace {

using base::ToolId;

TEST_CASE("a network port is enough: everything else has a default") {
    const Config config = must_parse(R"({"ports": {"tap0": {"role": "network", "device": "net_null0"}}})");
    CHECK(config.lcores.is_auto());
    CHECK(config.ports ==
          std::vector<Port>{{"tap0", PortRole::kNetwork, "net_null0", std::nullopt, std::nullopt}});
    CHECK(config.tool_groups.empty());
    CHECK(config.rules.empty());
    CHECK(config.inspect == Inspect{1u << 20, 64u << 10, 1u << 20});
}

TEST_CASE("ports keep the order of the file and are numbered by role") {
    const Config config = must_parse(R"({"ports": {
        "z": {"role": "tool", "device": "a"}, "b": {"role": "network", "device": "b"},
        "a": {"role": "tool", "device": "c", "rate": "250Mbps"}, "c": {"role": "network", "device": "d"},
        "m": {"role": "tool", "device": "e", "rate": 1500}}})");
    const auto names = [](const std::vector<const Port*>& ports) {
        std::vector<std::string> out;
        for (const Port* port : ports) out.push_back(port->name);
        return out;
    };
    CHECK(names(config.network_ports()) == std::vector<std::string>{"b", "c"});
    CHECK(names(config.tool_ports()) == std::vector<std::string>{"z", "a", "m"});
    CHECK(config.tool_ports()[0]->rate_bits_per_second == std::nullopt);
    CHECK(config.tool_ports()[1]->rate_bits_per_second == 250'000'000u);
    CHECK(config.tool_ports()[2]->rate_bits_per_second == 1500u);
}

TEST_CASE("a tool's queue has a bound in packets and one in time") {
    const auto queue = [](const char* keys) {
        return must_parse(with_ports(std::string(R"("t": {"role": "tool", "device": "x")") + keys + "}"))
            .tool_ports()
            .back()
            ->queue;
    };
    using std::chrono::milliseconds;
    CHECK(queue("") == std::nullopt);
    CHECK(queue(R"(, "rate": "1Gbps")") == std::nullopt);
    CHECK(queue(R"(, "queue": {})") == QueueBound{});
    CHECK(queue(R"(, "queue": {"packets": 16})") == QueueBound{16, std::nullopt});
    CHECK(queue(R"(, "queue": {"packets": 65536, "time": "50ms"}, "rate": 1)") ==
          QueueBound{65536, milliseconds(50)});
    CHECK(queue(R"(, "rate": 1, "queue": {"time": 10})") == QueueBound{4096, milliseconds(10'000)});
}

TEST_CASE("every tool port is a group of one, after the groups of the file") {
    const Config config = must_parse(
        with_groups(R"("y": {"members": ["rec0", "ids0"]}, "x": {"members": ["ids1"], "mode": "balance"})"));
    const GroupMember ids0{ToolId(0), ""};
    const GroupMember ids1{ToolId(1), ""};
    const GroupMember rec0{ToolId(2), ""};
    CHECK(config.tool_groups == std::vector<ToolGroup>{
                                    {"y", GroupMode::kCopy, {rec0, ids0}, {}, false},
                                    {"x", GroupMode::kBalance, {ids1}, {}, false},
                                    {"ids0", GroupMode::kCopy, {ids0}, {}, true},
                                    {"ids1", GroupMode::kCopy, {ids1}, {}, true},
                                    {"rec0", GroupMode::kCopy, {rec0}, {}, true},
                                });
}

TEST_CASE("a group has its standby, and members that have taken over another's flows") {
    const Config config = must_parse(with_groups(
        R"("x": {"members": [{"tool": "ids1", "as": "ids9"}, {"as": "ids0", "tool": "ids0"}], "mode": "balance",
                 "standby": [{"tool": "rec0", "as": "ids1"}]},
           "y": {"members": ["ids0"], "standby": ["ids1"]})"));
    const ToolGroup& x = config.tool_groups[0];
    CHECK(x.members == std::vector<GroupMember>{{ToolId(1), "ids9"}, {ToolId(0), ""}});
    CHECK(x.standby == std::vector<GroupMember>{{ToolId(2), "ids1"}});
    CHECK(config.tool_groups[1].standby == std::vector<GroupMember>{{ToolId(1), ""}});
    CHECK_THAT(canonical_json(config),
               Catch::Contains(R"(      "members": [{"tool": "ids1", "as": "ids9"}, "ids0"],
      "mode": "balance",
      "standby": [{"tool": "rec0", "as": "ids1"}]
)"));
}

TEST_CASE("a rule's words become its values") {
    const Config config = must_parse(with(R"("rules": [
        {"id": 18446744073709551615, "forward": ["rec0", "ids", "ids0", "rec"]},
        {"id": 20, "name": "\u6ad3 \"web\"", "filter": " tcp port 80\n", "layer": "frame", "malformed": false,
         "payload": ["a", "/b/i"], "payload_all": "c", "forward": ["ids"], "scope": "packet", "sample": 10, "drop": false, "priority": 15,
         "payload_none": {"pattern": "d", "direction": "to_client", "offset": 2, "depth": 5}},
        {"id": 3, "malformed": true, "drop": true, "scope": "onward"}])"));
    REQUIRE(config.rules.size() == 3);

    Rule everything;
    everything.id = UINT64_MAX;
    everything.forward = {4, 0, 2, 1};
    CHECK(config.rules[0] == everything);
    CHECK_FALSE(config.rules[0].has_payload());

    Rule web;
    web.id = 20;
    web.name = "\xe6\xab\x93 \"web\"";
    web.filter = " tcp port 80\n";
    web.layer = Layer::kFrame;
    web.malformed = false;
    web.payload = {{.text = "a", .bytes = "a"},
                   {.text = "/b/i", .regex = true, .bytes = "b", .caseless = true}};
    web.payload_all = {{.text = "c", .bytes = "c"}};
    web.payload_none = {
        {.text = "d", .bytes = "d", .direction = Direction::kToClient, .offset = 2, .depth = 5}};
    web.forward = {0};
    web.scope = Scope::kPacket;
    web.sample = 10;
    web.priority = 15;
    CHECK(config.rules[1] == web);

    Rule malformed;
    malformed.id = 3;
    malformed.malformed = true;
    malformed.drop = true;
    malformed.scope = Scope::kOnward;
    CHECK(config.rules[2] == malformed);
}

TEST_CASE("an lcore may run several stages") {
    const Config config = must_parse(with(R"("lcores": {"tx": [0], "rx": [0, 126], "select": [3, 2]})"));
    CHECK(config.lcores == LcoreSpec{{0, 126}, {3, 2}, {0}});
    CHECK(must_parse(with(R"("lcores": "auto")")).lcores.is_auto());
}

TEST_CASE("inspect takes sizes as words and as numbers, up to its bounds") {
    CHECK(must_parse(with(R"("inspect": {"stream_depth": "10MB", "hold_bytes": 0, "flows": 1})")).inspect ==
          Inspect{10'000'000, 0, 1});
    CHECK(must_parse(with(R"("inspect": {"stream_depth": "1024GiB", "hold_bytes": "1GiB", "flows": 268435456,
              "hold_budget": "1024GiB", "stream_budget": "1024GiB", "reorder_bytes": "1GiB"})"))
              .inspect == Inspect{std::uint64_t{1} << 40, 1u << 30, 1u << 28, std::uint64_t{1} << 40,
                                  std::uint64_t{1} << 40, 1u << 30});
    CHECK(must_parse(with(R"("inspect": {"stream_depth": 1, "hold_bytes": "1MiB", "flows": 1,
              "hold_budget": 1048576, "stream_budget": "1MiB", "reorder_bytes": 0})"))
              .inspect == Inspect{1, 1u << 20, 1, 1u << 20, 1u << 20, 0});
}

TEST_CASE("the words of inspect become its values") {
    const auto inspect = [](std::string_view members) {
        return must_parse(with("\"inspect\": {" + std::string(members) + "}")).inspect;
    };
    CHECK(inspect("") == Inspect{});
    CHECK(inspect(R"("when_short": "drop", "flow_key": [], "timeouts": {})") == Inspect{});
    CHECK(inspect(R"("when_short": "forward")").when_short == WhenShort::kForward);
    // Without a bound of its own, one flow may hold more than memory may.
    CHECK(inspect(R"("hold_bytes": "unlimited", "hold_budget": "1MiB")").hold_bytes == Inspect::kUnlimited);
    CHECK_FALSE(inspect(R"("flow_key": ["tunnel"])").key_has_vlan);
    CHECK(inspect(R"("flow_key": ["tunnel"])").key_has_tunnel);
    CHECK(inspect(R"("flow_key": ["vlan"])").key_has_vlan);
    using namespace std::chrono_literals;
    CHECK(inspect(R"("timeouts": {"tcp_opening": 31536000, "tcp": "2h", "tcp_closed": "1ms", "udp": "0.25s",
                                  "other": 7})")
              .timeouts == FlowTimeouts{365 * 24h, 2h, 1ms, 250ms, 7s});
    CHECK(inspect(R"("timeouts": {"udp": "1d"})").timeouts == FlowTimeouts{.udp = 24h});
}

TEST_CASE("names of 64 bytes and with every allowed letter are right") {
    for (const std::string& name : {std::string(64, 'a'), std::string("_"), std::string("0-Z.z_9")}) {
        CHECK(must_parse(with_ports('"' + name + R"(": {"role": "tool", "device": "x"})"))
                  .tool_ports()[0]
                  ->name == name);
    }
}

// Work that grew with the square of these numbers would take minutes, not a fraction of a second.
TEST_CASE("100,000 rules are read, and a fault in the last is found") {
    std::string rules;
    constexpr int kRules = 100'000;
    for (int i = 1; i <= kRules; ++i) {
        rules += R"({"id": )" + std::to_string(i) + R"(, "name": "rule", "filter": "host 10.)" +
                 std::to_string(i / 65536 % 256) + '.' + std::to_string(i / 256 % 256) + '.' +
                 std::to_string(i % 256) + R"( and tcp port 80", "forward": ["ids", "rec0"]}, )";
    }
    const ConfigOutcome outcome = parse_config(with("\"rules\": [" + rules + R"({"id": 1, "drop": true}])"));
    REQUIRE(outcome.errors.size() == 1);
    CHECK(outcome.errors[0].pointer == "/rules/100000/id");
    CHECK_THAT(outcome.errors[0].reason, Catch::Contains("/rules/0"));
    REQUIRE(outcome.config.rules.size() == kRules + 1);
    CHECK(outcome.config.rules[kRules - 1].forward == std::vector<std::size_t>{0, 4});
}

TEST_CASE("as many network ports as a PortId can number are read, and no more") {
    const auto ports = [](int count) {
        std::string text;
        for (int i = 1; i < count; ++i)
            text +=
                fmt::format("{}\"n{}\": {{\"role\": \"network\", \"device\": \"x\"}}", i > 1 ? ", " : "", i);
        return with_ports(text);
    };
    CHECK(must_parse(ports(65535)).network_ports().size() == 65535);
    const ConfigOutcome outcome = parse_config(ports(65536));
    REQUIRE(outcome.errors.size() == 1);
    CHECK(outcome.errors[0].pointer == "/ports");
    CHECK_THAT(outcome.errors[0].reason, Catch::Contains("65536 network ports"));
}

TEST_CASE("a rule may forward to thousands of groups") {
    std::string groups;
    std::string forward;
    for (int i = 0; i < 20'000; ++i) {
        groups += fmt::format("{}\"g{}\": {{\"members\": [\"ids0\"]}}", i > 0 ? ", " : "", i);
        forward += fmt::format("\"g{}\", ", i);
    }
    const ConfigOutcome outcome = parse_config(
        fmt::format("{{{}, \"tool_groups\": {{{}}}, \"rules\": [{{\"id\": 1, \"forward\": [{}\"g0\"]}}]}}",
                    kPorts, groups, forward));
    REQUIRE(outcome.errors.size() == 1);
    CHECK(outcome.errors[0].pointer == "/rules/0/forward/20000");
    CHECK(outcome.config.rules[0].forward.size() == 20'000);
}

}  // namespace
}  // namespace yagura::rules
