// SPDX-License-Identifier: BSD-3-Clause
#include "rules/port_changes.h"

#include <catch2/catch.hpp>

namespace yagura::rules {
namespace {

Config config_of(const std::string& ports, const std::string& more) {
    const ConfigOutcome outcome = parse_config("{\"ports\": {" + ports + "}, " + more + "}");
    INFO((outcome.ok() ? "" : outcome.errors.front().to_string()));
    REQUIRE(outcome.ok());
    return outcome.config;
}

const char* const kPorts = R"("n": {"role": "network", "device": "x"},
    "a": {"role": "tool", "device": "a"}, "b": {"role": "tool", "device": "b"},
    "m": {"role": "network", "device": "y"}, "c": {"role": "tool", "device": "c"})";
const char* const kRest = R"("tool_groups": {"g": {"members": ["a", "c"], "mode": "balance"}},
    "rules": [{"id": 1, "forward": ["g", "c"]}, {"id": 2, "forward": ["a"]}])";

}  // namespace

TEST_CASE("ports have places by their role and order") {
    const Config config = config_of(kPorts, kRest);
    CHECK(config.port("n")->place == 0);
    CHECK(config.port("m")->place == 1);
    CHECK(config.port("a")->place == 0);
    CHECK(config.port("c")->place == 2);
    CHECK(config.tool(base::ToolId{1})->name == "b");
    CHECK(config.tool(base::ToolId{3}) == nullptr);
    CHECK(config.port("nobody") == nullptr);
}

TEST_CASE("a port that is taken out leaves the others as they are") {
    Config config = config_of(kPorts, kRest);
    remove_port(config, "b");
    remove_port(config, "n");
    CHECK(config.port("c")->place == 2);
    CHECK(config.port("m")->place == 1);
    CHECK(config.tool_groups[config.rules[0].forward[0]].name == "g");
    CHECK(config.tool_groups[config.rules[0].forward[1]].name == "c");
    CHECK(config.tool_groups[config.rules[1].forward[0]].name == "a");
    CHECK(config.tool_groups[0].members ==
          std::vector<GroupMember>{{base::ToolId{0}, ""}, {base::ToolId{2}, ""}});

    SECTION("and the canonical form is read as the same, once it has adopted the places") {
        ConfigOutcome again = parse_config(canonical_json(config));
        REQUIRE(again.ok());
        CHECK_FALSE(again.config == config);
        CHECK_FALSE(same_ports(config, again.config));
        adopt_places(config, again.config);
        CHECK(again.config == config);
        CHECK(same_ports(config, again.config));
    }
    SECTION("a port that comes gets a place that is free, wherever it stands in the file") {
        Config running = config;
        running.ports.push_back({.name = "d", .role = PortRole::kTool, .device = "d", .place = 1});
        Config read = config_of(R"("d": {"role": "tool", "device": "d"}, "c": {"role": "tool", "device": "c"},
            "a": {"role": "tool", "device": "a"}, "m": {"role": "network", "device": "y"})",
                                R"("tool_groups": {"g": {"members": ["d", "c"]}}, "rules": [])");
        adopt_places(running, read);
        CHECK(same_ports(running, read));
        CHECK(read.tool_groups[0].members ==
              std::vector<GroupMember>{{base::ToolId{1}, ""}, {base::ToolId{2}, ""}});
    }
    SECTION("other ports, or the same with something else of theirs, are not the same") {
        Config other = config;
        other.ports[0].device = "z";
        CHECK_FALSE(same_ports(config, other));
        other = config;
        other.ports[0].inject = "m";
        CHECK_FALSE(same_ports(config, other));
        other = config;
        other.ports.pop_back();
        CHECK_FALSE(same_ports(config, other));
    }
}

TEST_CASE("a link has two ends") {
    const Config config = config_of(R"("w": {"role": "network", "device": "x", "link": "up", "queues": 2},
        "x": {"role": "network", "device": "y"}, "e": {"role": "network", "device": "z", "link": "up"},
        "s": {"role": "network", "device": "q", "link": "alone"})",
                                    R"("rules": [])");
    CHECK(config.other_end(*config.port("w")) == config.port("e"));
    CHECK(config.other_end(*config.port("e")) == config.port("w"));
    CHECK(config.other_end(*config.port("x")) == nullptr);
    CHECK(config.other_end(*config.port("s")) == nullptr);
    CHECK(config.port("w")->queues == 2);
    CHECK(parse_config(canonical_json(config)).config == config);
}

}  // namespace yagura::rules
