// SPDX-License-Identifier: BSD-3-Clause
// Ports and tools that are removed, and others that get their numbers: flows that knew those do not take
// these for them.
#include <algorithm>

#include "support/response_run.h"

using namespace yagura;
using namespace net::tcp_flag;
using base::PortId;
using base::ToolId;
using dataplane::ResponseAction;
using dataplane::ResponseCause;
using dataplane::ResponseReport;
using reset::Outcome;
using test::Connection;
using test::kAll;
using test::remove;
using test::ResponseRun;
using test::said;

namespace {

constexpr const char* kLcores[] = {"rx=0;select=0;tx=0", "rx=0;select=1,2,3;tx=4,5"};

/// So many that to go through all of them takes several turns.
void open_others(ResponseRun& run) {
    for (std::uint16_t port = 1000; port < 1500; ++port) {
        Connection other{.port = port};
        run.inboxes[0].put(other.frame(0, kSyn));
        run.inboxes[1].put(other.frame(1, kSyn | kAck));
        run.given += 2;
    }
}

/// Another port with the number of the one that goes: what it sends is seen in the same Outbox.
void replace_port(ResponseRun& run, PortId port, const dataplane::InjectPort& inject) {
    remove(*run.pipeline, port);
    for (int i = 0; i < 30'000 && run.pipeline->free_port() != port; ++i) test::sleep_ms(1);
    REQUIRE(run.pipeline->free_port() == port);
    run.wires[port.index()].take();
    REQUIRE(run.pipeline->add_port(port, {&run.inboxes[port.index()]}, std::nullopt, inject).ok());
}
void replace_port(ResponseRun& run, PortId port) {
    replace_port(run, port, {.queue = &run.wires[port.index()]});
}

/// The tool goes, and its number is free again.
void give_up_tool(ResponseRun& run, ToolId tool) {
    remove(*run.pipeline, tool);
    REQUIRE(run.sinks[tool.index()]->close().ok());
    run.pipeline->forget_tool(tool);
    for (int i = 0; i < 30'000 && run.pipeline->free_tool() != tool; ++i) test::sleep_ms(1);
    REQUIRE(run.pipeline->free_tool() == tool);
}

std::shared_ptr<const select::PolicySnapshot> policy(const char* rules) {
    return test::policy_of(test::config_with_rules(rules));
}

/// Waits for it, while no end answers what is sent to it.
ResponseReport next_report(ResponseRun& run) {
    for (int i = 0; i < 15'000; ++i) {
        for (const ResponseReport& report : run.take()) return report;
        test::sleep_ms(1);
    }
    FAIL("there is no report");
    return {};
}

bool goes_to(const std::vector<std::uint8_t>& frame, const Connection& c, unsigned end) {
    return said(frame).key.dport == (end == 0 ? c.port : 80);
}

}  // namespace

TEST_CASE("no RST leaves by a port that has the number of the one by which an end was seen") {
    const char* const lcores = GENERATE(from_range(std::begin(kLcores), std::end(kLcores)));
    INFO(lcores);
    ResponseRun run(kAll, lcores);
    run.options.ports_change = true;
    run.start();
    open_others(run);
    Connection c;
    run.open(c);
    replace_port(run, PortId{1});
    SECTION("the end is not reached") {
        run.ask(c.key());
        const ResponseReport report = run.outcome(c);
        CHECK(report.kill.seen == reset::Seen::kOneReset);
        CHECK(c.dead == std::array{true, false});
        CHECK(std::ranges::count(run.sent, 1u, &std::pair<unsigned, test::Said>::first) == 0);
        CHECK(run.wires[1].take().empty());
    }
    SECTION("until it is seen by that port") {
        run.give(c.frame(1, kAck | kPsh, "more"), 1);
        run.ask(c.key());
        const ResponseReport report = run.outcome(c);
        CHECK(report.kill.seen == reset::Seen::kBothReset);
        CHECK(c.dead == std::array{true, true});
    }
    run.end();
}

TEST_CASE("an end that was seen by two ports is reached by the one that is left") {
    ResponseRun run(kAll);
    run.options.ports_change = true;
    run.settings.kills.give_up = 2'000'000'000;
    run.start();
    Connection c;
    run.open(c);
    // As both ports of a bridge show it.
    const unsigned leaves = GENERATE(0u, 1u);
    run.give(c.frame(1, kAck | kPsh, "more"), 0);
    run.give(c.frame(0, kAck | kPsh, "more"), 1);
    replace_port(run, PortId{static_cast<std::uint16_t>(leaves)});
    run.ask(c.key());
    next_report(run);
    CHECK(run.wires[leaves].take().empty());
    const auto left = run.wires[1 - leaves].take();
    for (const unsigned end : {0u, 1u}) {
        CHECK(std::ranges::any_of(left, [&](const auto& frame) { return goes_to(frame, c, end); }));
    }
    run.end();
}

TEST_CASE("what a port could not reach itself is reached by the port that it names, not by that of another") {
    ResponseRun run(kAll);
    run.options.ports_change = true;
    run.options.injects[1] = {.queue = nullptr, .other = PortId{0}};
    run.settings.kills.give_up = 500'000'000;
    run.start();
    const bool names = GENERATE(true, false);
    const auto other = names ? std::optional(PortId{0}) : std::nullopt;
    // The first that comes is in the place of one that was there from the start.
    for (std::uint16_t round = 0; round < 2; ++round) {
        replace_port(run, PortId{1}, {.queue = nullptr, .other = other});
        Connection c{.port = static_cast<std::uint16_t>(40000 + round)};
        run.give(c.frame(1, kAck | kPsh, "the server alone is seen"), 1);
        run.ask(c.key());
        const ResponseReport report = next_report(run);
        CHECK((report.kill.outcome == Outcome::kNoPath) == !names);
        const auto left = run.wires[0].take();
        CHECK(left.empty() == !names);
        CHECK(std::ranges::all_of(left, [&](const auto& frame) { return goes_to(frame, c, 0); }));
    }
    run.end();
}

TEST_CASE("a connection that is being cut when a port goes is not sent to by the next one") {
    ResponseRun run(kAll);
    run.options.ports_change = true;
    run.settings.kills.give_up = 2'000'000'000;
    run.start();
    Connection c;
    run.open(c);
    run.ask(c.key());
    CHECK(run.take().empty());
    replace_port(run, PortId{1});
    run.wires[0].take();
    // There is a RST behind data.
    run.give(c.frame(0, kAck | kPsh, "more"), 0);
    next_report(run);
    CHECK_FALSE(run.wires[0].take().empty());
    CHECK(run.wires[1].take().empty());
    const dataplane::Stats stats = run.end();
    CHECK(stats.removed_injected.made.packets != 0);
}

TEST_CASE("a tool that has the number of one that wanted no more of a flow gets that flow") {
    const char* const lcores = GENERATE(from_range(std::begin(kLcores), std::end(kLcores)));
    INFO(lcores);
    ResponseRun run(R"([{"id": 1, "forward": ["a", "d"]}])", lcores);
    run.options.ports_change = true;
    run.start();
    open_others(run);
    Connection c;
    Connection e{.port = 41000};
    run.open(c);
    run.open(e);
    run.ask(c.key(), ResponseAction::kShunt, 8);
    CHECK(run.outcome(c).action == ResponseAction::kShunt);
    run.ask(e.key(), ResponseAction::kShunt, 8 | 1);
    CHECK(run.outcome(e).action == ResponseAction::kShunt);
    run.give(c.frame(0, kAck | kPsh, "more"), 0);
    run.give(e.frame(0, kAck | kPsh, "more"), 0);
    const std::uint64_t of_a = run.given - 1;
    CHECK(run.pipeline->stats().tools[3].offered.packets == run.given - 2);

    run.pipeline->swap_policy(policy(kAll));
    give_up_tool(run, ToolId{3});
    run.sinks[3] = std::make_unique<loop::LoopSink>();
    REQUIRE(run.pipeline->add_tool(ToolId{3}, run.sinks[3].get(), {}).ok());
    run.pipeline->swap_policy(run.options.policy);
    run.give(c.frame(0, kAck | kPsh, "more"), 0);
    run.give(e.frame(0, kAck | kPsh, "more"), 0);
    const dataplane::Stats stats = run.end();
    CHECK(stats.tools[3].sent.packets == 2);
    // What the other tool wants no more, it still does not.
    CHECK(stats.tools[0].sent.packets == of_a + 1);
}

TEST_CASE("what a tool has cut is not said to be of another that has its number, nor what it said") {
    ResponseRun run(kAll);
    run.options.ports_change = true;
    run.settings.kills.give_up = 2'000'000'000;
    run.start();
    Connection c;
    run.open(c);
    run.tool.put(c.frame(1, kRst));
    const auto heard = [&] { return run.pipeline->stats().response->heard[0]; };
    for (int i = 0; i < 15'000 && heard().verdicts == 0; ++i) test::sleep_ms(1);
    CHECK(heard().received == 1);
    run.pipeline->swap_policy(policy(R"([{"id": 1, "forward": ["b"]}])"));
    give_up_tool(run, ToolId{0});
    CHECK(heard().received == 0);
    CHECK(heard().verdicts == 0);
    const ResponseReport report = next_report(run);
    CHECK(report.cause == ResponseCause::kTool);
    CHECK(report.source == ResponseReport::kRemovedTool);
    run.end();
}
