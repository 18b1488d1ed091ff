// SPDX-License-Identifier: BSD-3-Clause
// Tools that want no more of a flow, decided or not.
#include <algorithm>
#include <optional>
#include <vector>

#include "support/response_run.h"

using namespace yagura;
using namespace net::tcp_flag;
using dataplane::ResponseAction;
using test::Connection;
using test::kAll;
using test::ResponseRun;

namespace {

constexpr std::uint64_t kToA = 1;
/// That open() gives.
constexpr std::uint64_t kOpening = 6;

void shunt(ResponseRun& run, Connection& c) {
    run.ask(c.key(), ResponseAction::kShunt, kToA);
    CHECK(run.outcome(c).action == ResponseAction::kShunt);
}

void release(ResponseRun& run, Connection& c) {
    run.ask(c.key(), ResponseAction::kRelease, kToA);
    CHECK(run.outcome(c).action == ResponseAction::kRelease);
}

void say(ResponseRun& run, Connection& c, const std::string& text) {
    run.give(c.frame(0, kAck | kPsh, text), 0);
}

std::uint64_t forwarded(const dataplane::Stats& stats) {
    return stats.ports[0].forwarded.packets + stats.ports[1].forwarded.packets;
}

std::uint64_t shunted(const dataplane::Stats& stats) {
    std::uint64_t packets = 0;
    for (const auto& port : stats.ports)
        packets += port.dropped[static_cast<std::size_t>(select::DropReason::kShunted)].packets;
    return packets;
}

}  // namespace

TEST_CASE("a tool that wants no more of a flow gets its end, and others all") {
    ResponseRun run(R"([{"id": 1, "forward": ["a", "b"]}])");
    run.start();
    Connection c;
    run.open(c);
    run.ask(c.key(), ResponseAction::kShunt, 1);
    CHECK(run.outcome(c).action == ResponseAction::kShunt);
    for (int i = 0; i < 5; ++i) run.give(c.frame(0, kAck | kPsh, "more"), 0);
    run.give(c.frame(0, kFin | kAck), 0);
    run.ask(c.key(), ResponseAction::kRelease, ~std::uint64_t{0});
    CHECK(run.outcome(c).action == ResponseAction::kRelease);
    run.give(c.frame(1, kAck | kPsh, "still"), 1);
    const dataplane::Stats stats = run.end();
    CHECK(stats.tools[1].sent.packets == 6 + 5 + 1 + 1);
    CHECK(stats.tools[0].sent.packets == 6 + 1 + 1);
    CHECK(stats.ports[0].forwarded.packets + stats.ports[1].forwarded.packets == 13);
}

TEST_CASE("packets that no tool wants any more are dropped as shunted") {
    ResponseRun run(kAll);
    run.start();
    Connection c;
    run.open(c);
    run.ask(c.key(), ResponseAction::kShunt, 1);
    run.outcome(c);
    for (int i = 0; i < 5; ++i) run.give(c.frame(1, kAck | kPsh, "more"), 1);
    const dataplane::Stats stats = run.end();
    CHECK(stats.ports[1].dropped[static_cast<std::size_t>(select::DropReason::kShunted)].packets == 5);
    CHECK(stats.tools[0].sent.packets == 6);
}

TEST_CASE("what is held when a tool wants no more of the flow does not come to it, but to others") {
    ResponseRun run(R"([{"id": 1, "payload": ["needle"], "forward": ["a", "b"]}])");
    run.start();
    Connection c;
    run.open(c);
    shunt(run, c);
    say(run, c, "more");
    say(run, c, "needle");
    say(run, c, "and more");
    const dataplane::Stats stats = run.end();
    CHECK(stats.tools[0].offered.packets == 0);
    CHECK(stats.tools[1].sent.packets == kOpening + 3);
    CHECK(forwarded(stats) == kOpening + 3);
    CHECK(stats.rules[0].count.packets == kOpening + 3);
    CHECK(shunted(stats) == 0);
}

TEST_CASE(
    "of what is held for it alone a tool that wants no more gets the end; the rest is dropped as shunted") {
    ResponseRun run(R"([{"id": 1, "payload": ["needle"], "forward": ["a"]}])");
    run.start();
    Connection c;
    run.open(c);
    run.give(c.frame(1, kFin | kAck), 1);
    shunt(run, c);
    say(run, c, "needle");
    const dataplane::Stats stats = run.end();
    CHECK(stats.tools[0].sent.packets == 1);
    CHECK(forwarded(stats) == 1);
    CHECK(shunted(stats) == kOpening + 1);
    CHECK(stats.rules[0].count.packets == kOpening + 2);
}

TEST_CASE("what is held when the flow's end decides it is kept back, too") {
    ResponseRun run(R"([{"id": 1, "payload_none": ["needle"], "forward": ["a"]}])");
    run.start();
    Connection c;
    run.open(c);
    shunt(run, c);
    say(run, c, "more");
    const dataplane::Stats stats = run.end();
    CHECK(stats.tools[0].offered.packets == 0);
    CHECK(shunted(stats) == kOpening + 1);
}

TEST_CASE("a tool that wants a flow again before it is decided gets it from its first packet") {
    ResponseRun run(R"([{"id": 1, "payload": ["needle"], "forward": ["a"]}])");
    run.start();
    Connection c;
    run.open(c);
    shunt(run, c);
    say(run, c, "more");
    release(run, c);
    say(run, c, "needle");
    const dataplane::Stats stats = run.end();
    CHECK(stats.tools[0].sent.packets == kOpening + 2);
    CHECK(shunted(stats) == 0);
}

TEST_CASE("what was kept back from one tool, and held for another, goes to that one or is dropped") {
    ResponseRun run(R"([{"id": 1, "filter": "tcp", "forward": ["a"]},
                        {"id": 2, "payload": ["needle"], "forward": ["b"]}])");
    run.start();
    Connection c;
    run.open(c);
    shunt(run, c);
    for (int i = 0; i < 3; ++i) say(run, c, "more");
    SECTION("the other one wants it") {
        say(run, c, "needle");
        const dataplane::Stats stats = run.end();
        CHECK(stats.tools[0].sent.packets == kOpening);
        CHECK(stats.tools[1].sent.packets == kOpening + 4);
        CHECK(forwarded(stats) == kOpening + 4);
    }
    SECTION("the first one wants the flow again: what was kept back stays so") {
        release(run, c);
        say(run, c, "needle");
        const dataplane::Stats stats = run.end();
        CHECK(stats.tools[0].sent.packets == kOpening + 1);
        CHECK(stats.tools[1].sent.packets == kOpening + 4);
        CHECK(forwarded(stats) == kOpening + 4);
    }
    SECTION("nobody wants it") {
        const dataplane::Stats stats = run.end();
        CHECK(stats.tools[0].sent.packets == kOpening);
        CHECK(stats.tools[1].offered.packets == 0);
        CHECK(forwarded(stats) == kOpening);
        CHECK(shunted(stats) == 3);
    }
}

TEST_CASE("flows that a tool wants no more of can be found") {
    ResponseRun run(R"([{"id": 1, "forward": ["a", "b"]}])");
    run.start();
    Connection c;
    Connection other{.port = 41000};
    run.open(c);
    run.open(other);
    const auto listed = [&](std::optional<base::ToolId> tool) {
        dataplane::FlowPage page;
        page.filter.shunted = tool;
        while (!run.pipeline->ask_flows(0, page)) test::sleep_ms(1);
        while (!page.done.load(std::memory_order_acquire)) test::sleep_ms(1);
        std::vector<std::uint64_t> shunted;
        for (unsigned i = 0; i < page.count; ++i) shunted.push_back(page.samples[i].shunted);
        std::ranges::sort(shunted);
        return shunted;
    };
    using Shunted = std::vector<std::uint64_t>;
    CHECK(listed(base::ToolId{0}).empty());
    shunt(run, c);
    CHECK(listed(base::ToolId{0}) == Shunted{kToA});
    CHECK(listed(base::ToolId{1}).empty());
    CHECK(listed(std::nullopt) == Shunted{0, kToA});
    release(run, c);
    CHECK(listed(base::ToolId{0}).empty());
    run.end();
}
