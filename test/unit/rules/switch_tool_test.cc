// SPDX-License-Identifier: BSD-3-Clause
#include "rules/switch_tool.h"

#include "config_samples.h"

namespace yagura::rules {
namespace {

using base::ToolId;

/// Tools a to d are 0 to 3.
Config config_of(const std::string& groups, const std::string& forward = R"(["g"])") {
    return must_parse(R"({"ports": {"lan": {"role": "network", "device": "loop:"},
        "a": {"role": "tool", "device": "loop:"}, "b": {"role": "tool", "device": "loop:"},
        "c": {"role": "tool", "device": "loop:"}, "d": {"role": "tool", "device": "loop:"}},
        "tool_groups": {)" +
                      groups + R"(}, "rules": [{"id": 5, "forward": )" + forward + "}]}");
}

struct Row {
    const char* what;
    std::string before;
    std::string after;
    const char* forward = R"(["g"])";
    const char* forward_after = R"(["g"])";
    bool and_back = true;  ///< the way back gives what was
};

TEST_CASE("a tool takes another's place") {
    const Row rows[] = {
        {"in a balance group under the other's name", R"("g": {"members": ["a", "b"], "mode": "balance"})",
         R"("g": {"members": [{"tool": "d", "as": "a"}, "b"], "mode": "balance"})"},
        {"under the name that the other had",
         R"("g": {"members": [{"tool": "a", "as": "x"}, "b"], "mode": "balance"})",
         R"("g": {"members": [{"tool": "d", "as": "x"}, "b"], "mode": "balance"})"},
        {"in a copy group", R"("g": {"members": ["b", "a"]})", R"("g": {"members": ["b", "d"]})"},
        {"as a standby", R"("g": {"members": ["b"], "standby": ["a", "c"], "mode": "balance"})",
         R"("g": {"members": ["b"], "standby": [{"tool": "d", "as": "a"}, "c"], "mode": "balance"})"},
        {"as the standby that it was", R"("g": {"members": ["a", "b"], "standby": ["d"], "mode": "balance"})",
         R"("g": {"members": [{"tool": "d", "as": "a"}, "b"], "standby": [{"tool": "a", "as": "d"}], "mode": "balance"})"},
        {"as the standby of a copy group", R"("g": {"members": ["a", "b"], "standby": ["d"]})",
         R"("g": {"members": ["d", "b"], "standby": ["a"]})"},
        {"where it had a copy already", R"("g": {"members": ["a", "b", "d"]})",
         R"("g": {"members": ["b", "d"]})", R"(["g"])", R"(["g"])", false},
        {"where it has its own already", R"("g": {"members": ["b", "d"], "standby": ["a"]})",
         R"("g": {"members": ["b", "d"]})", R"(["g"])", R"(["g"])", false},
        {"in a rule", R"("g": {"members": ["b"]})", R"("g": {"members": ["b"]})", R"(["g", "a"])",
         R"(["g", "d"])"},
        {"in a rule that named both", R"("g": {"members": ["b"]})", R"("g": {"members": ["b"]})",
         R"(["a", "g", "d"])", R"(["g", "d"])", false},
        {"in several groups", R"("g": {"members": ["a"]}, "h": {"members": ["b", "a"], "mode": "balance"})",
         R"("g": {"members": ["d"]}, "h": {"members": ["b", {"tool": "d", "as": "a"}], "mode": "balance"})"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.what);
        const Config before = config_of(row.before, row.forward);
        Config config = before;
        const auto switched = switch_tool(config, ToolId(0), ToolId(3));
        REQUIRE(switched.ok());
        CHECK(config == config_of(row.after, row.forward_after));
        const bool in_rule = std::string(row.forward) != row.forward_after;
        CHECK(switched->rules == (in_rule ? std::vector<std::uint64_t>{5} : std::vector<std::uint64_t>{}));
        CHECK(switched->groups.empty() == (row.before == row.after));
        // It is a configuration like any other.
        CHECK(must_parse(canonical_json(config)) == config);
        if (!row.and_back) continue;
        REQUIRE(switch_tool(config, ToolId(3), ToolId(0)).ok());
        CHECK(config == before);
    }
}

TEST_CASE("a switch that cannot be is refused, and changes nothing") {
    const struct {
        const char* groups;
        std::uint8_t from, to;
        const char* reason;
    } rows[] = {
        {R"("g": {"members": ["a", "b"], "mode": "balance"})", 0, 0, "\"a\" would be switched for itself"},
        {R"("g": {"members": ["a", "b"], "mode": "balance"})", 3, 0, "no group and no rule names \"d\""},
        {R"("g": {"members": ["a"]}, "h": {"members": ["a", "b"], "mode": "balance"})", 0, 1,
         "both are members of the balance group \"h\""},
    };
    for (const auto& row : rows) {
        CAPTURE(row.reason);
        const Config before = config_of(row.groups);
        Config config = before;
        const auto switched = switch_tool(config, ToolId(row.from), ToolId(row.to));
        REQUIRE_FALSE(switched.ok());
        CHECK_THAT(switched.error().message, Catch::Contains(row.reason));
        CHECK(config == before);
    }
}

}  // namespace
}  // namespace yagura::rules
