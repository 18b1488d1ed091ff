// SPDX-License-Identifier: BSD-3-Clause
#include "broker/tool_watch.h"

#include <catch2/catch.hpp>

#include "rules/config.h"

namespace yagura::broker {
namespace {

using std::chrono::milliseconds;

TEST_CASE("a tool is down at once, and up when it has been up for a while") {
    struct Row {
        int at_ms;
        std::uint64_t seen;
        std::uint64_t down;  // by then
        std::size_t changes;
    };
    const Row rows[] = {
        {0, 0, 0, 0},
        {200, 0b100, 0b100, 1},
        {400, 0b101, 0b101, 1},
        {600, 0b100, 0b101, 0},
        // It flaps.
        {2300, 0b101, 0b101, 0},
        {2500, 0b100, 0b101, 0},
        {4200, 0b000, 0b101, 0},
        {4300, 0b000, 0b100, 1},
        {4499, 0b000, 0b100, 0},
        {4500, 0b000, 0b000, 1},
        {4600, 0b001, 0b001, 1},
        {6599, 0b000, 0b001, 0},
        {6600, 0b000, 0b000, 1},
    };
    ToolWatch watch;
    const ToolWatch::Clock::time_point begin{std::chrono::hours(1)};
    for (const Row& row : rows) {
        CAPTURE(row.at_ms);
        const std::uint64_t before = watch.down();
        const auto changes = watch.look(row.seen, begin + milliseconds(row.at_ms));
        CHECK(watch.down() == row.down);
        CHECK(changes.size() == row.changes);
        for (const ToolWatch::Change& change : changes) {
            CHECK((before >> change.tool.value() & 1) == (change.down ? 0 : 1));
            CHECK((row.down >> change.tool.value() & 1) == (change.down ? 1 : 0));
        }
    }
}

TEST_CASE("who stands in for a tool that is down") {
    const auto outcome = rules::parse_config(R"({"ports": {"lan": {"role": "network", "device": "loop:"},
        "a": {"role": "tool", "device": "loop:"}, "b": {"role": "tool", "device": "loop:"},
        "c": {"role": "tool", "device": "loop:"}, "d": {"role": "tool", "device": "loop:"}},
        "tool_groups": {"balanced": {"members": ["a", "b"], "mode": "balance"},
                        "copied": {"members": ["a", "c"], "standby": ["d"]},
                        "backed": {"members": ["c"], "standby": ["b", "d"], "mode": "balance"}}})");
    REQUIRE(outcome.ok());
    const auto names = [&](std::uint8_t tool, std::uint64_t down) {
        return tool_names(outcome.config, stand_ins(outcome.config, base::ToolId(tool), down));
    };
    CHECK(names(0, 0b0001) == "b, d");
    CHECK(names(0, 0b0011) == "d");
    CHECK(names(0, 0b1011) == "");
    CHECK(names(0, 0b0010) == "");
    CHECK(names(1, 0b0010) == "a");
    CHECK(names(2, 0b0100) == "b, d");
    CHECK(names(2, 0b0101) == "b, d");
    CHECK(names(3, 0b1000) == "");
}

}  // namespace
}  // namespace yagura::broker
