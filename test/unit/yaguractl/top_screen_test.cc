// SPDX-License-Identifier: BSD-3-Clause
#include "app/yaguractl/top_screen.h"

#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <string>

#include "app/yaguractl/table.h"

namespace yagura::ctl {
namespace {

Json stats(std::uint64_t uptime_ms, std::uint64_t received, std::uint64_t dropped, std::uint64_t busy) {
    const auto count = [](std::uint64_t packets) {
        return Json{{"packets", packets}, {"bytes", 100 * packets}};
    };
    return {{"uptime_ms", uptime_ms},
            {"config_version", 3},
            {"lost", dropped},
            {"ports",
             {{"in", {{"received", count(received)}, {"dropped", {{"no_rule", count(dropped)}}}}},
              {"other", {{"received", count(received / 2)}, {"dropped", Json::object()}}}}},
            {"tools", {{"ids0", {{"sent", count(0)}, {"shed", Json::object()}}}}},
            {"threads", {{{"lcore", 4}, {"busy_turns", busy}, {"empty_turns", 1000}}}},
            {"flows", 12345}};
}

std::string line_of(const TopScreen& screen, const std::string& begin) {
    for (const std::string& line : screen.lines(200)) {
        if (line.starts_with(begin)) return line;
    }
    return {};
}

TEST_CASE("rates are those between the last two updates") {
    TopScreen screen;
    screen.update(stats(1000, 1000, 0, 1000));
    CHECK_THAT(line_of(screen, "in "), Catch::Contains(" 0 "));
    screen.update(stats(3000, 5000, 600, 4000));
    CHECK_THAT(line_of(screen, "in "), Catch::Contains("2.00 k") && Catch::Contains("1.60 M"));
    CHECK_THAT(line_of(screen, "in "), Catch::Contains("████████████████████") && Catch::EndsWith("█"));
    CHECK_THAT(line_of(screen, "other "),
               Catch::Contains(" ██████████          ") && Catch::Contains("1.00 k"));
    CHECK_THAT(line_of(screen, "  no_rule"), Catch::Contains("300") && Catch::Contains("600 in all"));
    CHECK_THAT(line_of(screen, "4 "), Catch::Contains("100.0 %"));
    CHECK_THAT(screen.lines(200)[0], Catch::Contains("flows 12,345") && Catch::Contains("configuration 3"));
}

TEST_CASE("counters that begin anew give no rate") {
    TopScreen screen;
    screen.update(stats(3000, 5000, 600, 4000));
    screen.update(stats(4000, 100, 0, 10));
    CHECK_THAT(line_of(screen, "in "), Catch::Contains(" 0 "));
    screen.update(stats(1000, 200, 0, 10));  // another process answers
    CHECK_THAT(line_of(screen, "in "), Catch::Contains(" 0 "));
}

TEST_CASE("what is missing or of a wrong type is no reason to fall") {
    for (const char* text :
         {"{}", R"({"ports": {"a": {}}, "tools": {"t": {"sent": {"packets": "x"}}}, "threads": [{}]})"}) {
        TopScreen screen;
        screen.update(Json::parse(text));
        screen.update(Json::parse(text));
        CHECK(screen.lines(80).size() >= 7);
    }
}

TEST_CASE("lines fit the terminal") {
    TopScreen screen;
    for (unsigned i = 1; i < 100; ++i) screen.update(stats(i * 1000, i * 1'000'000, i * 1000, i));
    for (const std::size_t columns : {1u, 20u, 40u, 80u}) {
        for (const std::string& line : screen.lines(columns)) CHECK(width_of(line) <= columns);
    }
}

TEST_CASE("bars and plots have their width") {
    CHECK(bar(0, 3) == "   ");
    CHECK(bar(0.5, 3) == "█▌ ");
    CHECK(bar(1, 3) == "███");
    CHECK(bar(7, 3) == "███");
    CHECK(bar(-1, 3) == "   ");
    CHECK(plot({}, 3) == "   ");
    CHECK(plot({0, 0}, 3) == " ▁▁");
    CHECK(plot({9, 0, 4, 8}, 3) == "▁▄▇");
}

}  // namespace
}  // namespace yagura::ctl
