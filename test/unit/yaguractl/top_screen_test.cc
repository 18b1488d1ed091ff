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

/// The first line that begins so.
std::string line_of(const TopScreen& screen, const std::string& begin, View view = {.columns = 200}) {
    for (const Line& line : screen.lines(view)) {
        if (line.text.starts_with(begin)) return line.text;
    }
    return {};
}

Json rules(std::uint64_t first, std::uint64_t second) {
    return Json::array(
        {{{"id", 1},
          {"name", "web"},
          {"packets", first},
          {"bytes", 1000 * first},
          {"flows", 7},
          {"forward", {"ids", "rec"}}},
         {{"id", 2}, {"packets", second}, {"bytes", 100 * second}, {"flows", 8}, {"drop", true}}});
}

Json flow(const char* name, std::uint64_t packets, std::uint64_t bytes) {
    return {{"flow", name}, {"packets_per_second", packets}, {"bytes_per_second", bytes}};
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
    CHECK_THAT(screen.lines({})[0].text,
               Catch::Contains("flows 12,345") && Catch::Contains("configuration 3"));
}

TEST_CASE("counters that begin anew give no rate") {
    TopScreen screen;
    screen.update(stats(3000, 5000, 600, 4000));
    screen.update(stats(4000, 100, 0, 10));
    CHECK_THAT(line_of(screen, "in "), Catch::Contains(" 0 "));
    screen.update(stats(1000, 200, 0, 10));  // another process answers
    CHECK_THAT(line_of(screen, "in "), Catch::Contains(" 0 "));
}

TEST_CASE("a port that comes later has no rate at first, and one that goes leaves the others theirs") {
    TopScreen screen;
    screen.update(stats(1000, 1000, 0, 0));
    Json more = stats(2000, 2000, 0, 0);
    more["ports"]["late"] = {{"received", {{"packets", 5'000'000}, {"bytes", 0}}}};
    screen.update(more);
    CHECK_THAT(line_of(screen, "late"), Catch::Contains(" 0 "));
    more["ports"].erase("in");
    more["uptime_ms"] = 3000;
    more["ports"]["late"]["received"]["packets"] = 5'003'000;
    screen.update(more);
    CHECK(line_of(screen, "in ").empty());
    CHECK_THAT(line_of(screen, "late"), Catch::Contains("3.00 k"));
}

TEST_CASE("losses that go on are marked") {
    TopScreen screen;
    screen.update(stats(1000, 0, 0, 0));
    CHECK(screen.lines({})[0].tone == Tone::kPlain);
    screen.update(stats(2000, 0, 10, 0));
    CHECK(screen.lines({})[0].tone == Tone::kLoss);
    CHECK_THAT(screen.lines({})[0].text, Catch::Contains("lost 10, 10/s now"));
    screen.update(stats(3000, 0, 10, 0));
    CHECK(screen.lines({})[0].tone == Tone::kPlain);
}

TEST_CASE("the busiest rules are those that grew most since the last answer") {
    TopScreen screen;
    const auto update = [&](std::uint64_t ms, std::uint64_t first, std::uint64_t second,
                            std::uint64_t version) {
        screen.update(stats(ms, 0, 0, 0));
        screen.update_rules(rules(first, second), version, true);
    };
    update(1000, 1'000'000, 0, 1);
    CHECK(line_of(screen, "1 web").empty());
    CHECK_THAT(line_of(screen, "  counting"), Catch::Contains("counting"));
    update(3000, 1'000'200, 600, 1);
    CHECK_THAT(line_of(screen, "1 web"), Catch::Contains(" 100 ") && Catch::Contains(" 800 k") &&
                                             Catch::EndsWith("7 flows, to ids rec"));
    CHECK_THAT(line_of(screen, "2 "), Catch::Contains(" 300 ") && Catch::EndsWith("8 flows, drop"));
    const auto order = [&](TopOrder by) {
        std::string text;
        for (const Line& line : screen.lines({.panel = Panel::kRules, .order = by}))
            text += line.text.substr(0, 1);
        return text;
    };
    CHECK(order(TopOrder::kBytes) == "yr12");
    CHECK(order(TopOrder::kPackets) == "yr21");
    // With another configuration counts begin anew: no rate from what was counted by the one before.
    update(4000, 2'000'000, 700, 2);
    CHECK(line_of(screen, "1 web").empty());
    screen.no_rules("rules.list is switched off");
    CHECK_THAT(line_of(screen, "  rules.list"), Catch::Contains("switched off"));
}

TEST_CASE("the busiest flows are shown in the order that is wanted") {
    TopScreen screen;
    Json answer{{"flows", {flow("udp a > b", 10, 9000), flow("tcp c > d", 500, 1000)}}};
    answer["flows"][0]["tools"] = {"ids", "rec"};
    answer["flows"][1]["tools"] = Json::array();
    screen.update_flows(answer);
    const auto shown = [&](TopOrder by) { return screen.lines({.panel = Panel::kFlows, .order = by}); };
    CHECK_THAT(shown(TopOrder::kBytes)[3].text, Catch::Contains(" 10 ") && Catch::Contains("72.0 k") &&
                                                    Catch::Contains("udp a > b") &&
                                                    Catch::EndsWith("ids rec"));
    CHECK_THAT(shown(TopOrder::kPackets)[3].text, Catch::Contains("tcp c > d") && Catch::EndsWith("  -"));
    screen.no_flows("a bound is reached");
    CHECK_THAT(shown(TopOrder::kBytes)[3].text, Catch::Contains("a bound is reached"));
}

TEST_CASE("what is missing or of a wrong type is no reason to fall") {
    for (const char* text :
         {"{}", R"({"ports": {"a": {}}, "tools": {"t": {"sent": {"packets": "x"}}}, "threads": [{}]})",
          R"({"ports": 1, "tools": {"t": [], "u": {"sent": 1, "shed": {"x": 1}}}, "threads": {"a": 1}})"}) {
        TopScreen screen;
        for (int i = 0; i < 2; ++i) {
            screen.update(Json::parse(text));
            screen.update_rules(
                Json::parse(R"([1, {}, {"id": "x", "forward": 1}, {"id": 2, "forward": [1]}])"), 1, false);
            screen.update_flows(
                Json::parse(R"({"flows": [1, {}, {"flow": 1, "tools": 2, "bytes_per_second": -1}]})"));
        }
        screen.update_flows(Json::parse("[]"));
        for (const Panel panel : {Panel::kOverview, Panel::kRules, Panel::kFlows})
            CHECK(screen.lines({.panel = panel}).size() >= 3);
    }
}

TEST_CASE("lines fit the terminal") {
    TopScreen screen;
    for (unsigned i = 1; i < 100; ++i) {
        screen.update(stats(i * 1000, i * 1'000'000, i * 1000, i));
        screen.update_rules(rules(i, 2 * i), 1, false);
    }
    screen.update_flows({{"flows", {flow("tcp [2001:db8::1111:2222]:65535 > [2001:db8::3333]:443", 1, 1)}}});
    for (const std::size_t columns : {1u, 20u, 40u, 46u, 47u, 48u, 52u, 53u, 80u, 132u, 300u}) {
        for (const Panel panel : {Panel::kOverview, Panel::kRules, Panel::kFlows}) {
            for (const Glyphs glyphs : {Glyphs::kBlocks, Glyphs::kAscii}) {
                for (const Line& line : screen.lines({.panel = panel, .columns = columns, .glyphs = glyphs}))
                    CHECK(width_of(line.text) <= columns);
            }
        }
    }
    // Of a plot that is cut the latest stays.
    const std::string narrow = line_of(screen, "in ", {.columns = 80});
    CHECK(width_of(narrow) <= 80);
    CHECK_THAT(narrow, Catch::EndsWith("█"));
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
    CHECK(bar(0.5, 4, Glyphs::kAscii) == "##  ");
    CHECK(plot({8, 0, 4, 8}, 6, Glyphs::kAscii) == "  #_=#");
}

}  // namespace
}  // namespace yagura::ctl
