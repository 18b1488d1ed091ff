// SPDX-License-Identifier: BSD-3-Clause
// What is held when room is short, and what waits for a payload drop.
#include <map>

#include "support/allocations.h"
#include "support/held_traffic.h"
#include "support/skip.h"

using namespace yagura;
using dataplane::Pressure;
using dataplane::Stats;
using select::DropReason;
using test::dropped;
using test::got;
using test::kNeedle;
using test::new_release_pool;
using test::sorted;
using test::Traffic;
using test::with_inspect;

TEST_CASE("a short hold_budget: the oldest is let go, as when_short says") {
    const bool forward = GENERATE(false, true);
    INFO((forward ? "forward" : "drop"));
    // 1 MiB is 4,228 blocks; a segment of 1,000 bytes takes 5 at most: of 60 flows with 30 of them some 28
    // fit.
    Traffic traffic;
    std::vector<Traffic::Session> sessions;
    for (unsigned i = 0; i < 60; ++i) sessions.emplace_back(traffic, i).open().talk(30, 1000);
    for (auto& session : sessions) session.client("needle").talk(2);
    test::PipelineRun run(kNeedle, 8191,
                          with_inspect(std::string(R"("hold_budget": "1MiB", "when_short": ")") +
                                       (forward ? "forward\"" : "drop\"")));
    run.feed(traffic.frames);
    const Stats stats = run.run();
    CHECK(stats.let_go > 20);
    CHECK(stats.let_go < 60);
    CHECK(stats.incomplete <= stats.hold_refused);
    const auto places = sorted(got(run, 0, traffic));
    CHECK(std::ranges::adjacent_find(places) == places.end());
    // Those who were let go are whole or have nothing, by when_short; who was refused room has lost its
    // middle.
    std::uint64_t whole = 0;
    std::uint64_t none = 0;
    for (const auto& session : sessions) {
        const auto count = std::ranges::count_if(
            places, [&](std::size_t place) { return std::ranges::binary_search(session.places(), place); });
        whole += static_cast<std::size_t>(count) == session.places().size() ? 1 : 0;
        none += count == 0 ? 1 : 0;
    }
    CHECK(none == (forward ? 0 : stats.let_go));
    CHECK(whole == sessions.size() - none - stats.incomplete);
    CHECK(dropped(stats, DropReason::kHoldBudget) == stats.lost());
    CHECK(stats.lost() >= none);
    CHECK(stats.lost() <= none * 32);
    CHECK(stats.ports[0].forwarded.packets + stats.ports[1].forwarded.packets == places.size());
}

TEST_CASE("a flow that the hold_budget alone cannot hold keeps its head") {
    Traffic traffic;
    Traffic::Session session(traffic, 1);
    session.open().talk(2000, 1000).client("needle").talk(5);
    test::PipelineRun run(
        kNeedle, 8191,
        with_inspect(R"("hold_budget": "1MiB", "hold_bytes": "1MiB", "stream_depth": "8MiB")"));
    run.feed(traffic.frames);
    const Stats stats = run.run();
    CHECK(stats.hold_refused == 1);
    CHECK(stats.let_go == 0);
    CHECK(stats.incomplete == 1);
    const auto places = got(run, 0, traffic);
    CHECK(std::ranges::is_sorted(places));
    CHECK(places.size() + dropped(stats, DropReason::kHoldFull) == traffic.frames.size());
    CHECK(places.size() > 500);
    const std::vector<std::size_t> head(places.begin(), places.end() - 6);
    CHECK(head.back() == head.size() - 1);
    CHECK(places[head.size()] == 2002);
}

TEST_CASE("a short stream_budget: the oldest is let go, as when_short says") {
    const bool forward = GENERATE(false, true);
    INFO((forward ? "forward" : "drop"));
    constexpr unsigned kSessions = 9000;
    Traffic traffic;
    std::vector<Traffic::Session> sessions;
    for (unsigned i = 0; i < kSessions; ++i) sessions.emplace_back(traffic, i).open().talk(1);
    for (auto& session : sessions) session.client("needle");
    const std::string more =
        std::string(R"(, "inspect": {"flows": 10000, "stream_budget": "1MiB", "when_short": ")") +
        (forward ? "forward\"}" : "drop\"}");
    test::PipelineRun run(R"([{"id": 1, "payload": ["needle"], "forward": ["a"]}])", 8191, more);
    const std::uint64_t states = (1u << 20) / run.options.policy->rules->state_bytes();
    REQUIRE(states < kSessions);
    run.feed(traffic.frames);
    const Stats stats = run.run();
    CHECK(stats.let_go == kSessions - states);
    CHECK(stats.uninspected == 0);
    const auto places = sorted(got(run, 0, traffic));
    CHECK(places.size() == 4 * (forward ? kSessions : states));
    CHECK(std::ranges::adjacent_find(places) == places.end());
    CHECK(stats.lost() == (forward ? 0 : 3 * stats.let_go));
    CHECK(dropped(stats, DropReason::kHoldBudget) == stats.lost());
}

TEST_CASE("a flow without payload is concluded when no state is free") {
    // Every state is taken by flows that stay undecided; the one that only opened ends with the input.
    Traffic traffic;
    std::vector<Traffic::Session> sessions;
    Traffic::Session silent(traffic, 65000);
    silent.open();
    test::PipelineRun run(R"([{"id": 1, "filter": "tcp", "payload_none": ["needle"], "forward": ["a"]}])",
                          8191, R"(, "inspect": {"flows": 40000, "stream_budget": "1MiB"})");
    const auto states = static_cast<unsigned>((1u << 20) / run.options.policy->rules->state_bytes());
    for (unsigned i = 0; i < states; ++i) sessions.emplace_back(traffic, i).open().talk(1);
    run.feed(traffic.frames);
    const Stats stats = run.run();
    CHECK(stats.let_go == 0);
    CHECK(sorted(got(run, 0, traffic)).size() == traffic.frames.size());
    CHECK(dropped(stats, DropReason::kNotSelected) == 0);
}

TEST_CASE("hold_bytes are used up: the head is kept, and what comes from the match on") {
    struct Row {
        const char* description;
        const char* hold_bytes;
        unsigned head;  ///< packets that are kept: of 54 bytes without payload, of 154 with 100
    };
    const auto row = GENERATE(Row{"nothing is held", "0", 0}, Row{"less than the first packet", "53", 0},
                              Row{"the SYN alone", "54", 1}, Row{"SYN and SYN/ACK, not the next", "261", 2},
                              Row{"one segment", "262", 3}, Row{"ten segments", "1648", 12});
    const auto pressure = GENERATE(Pressure::kPushBack, Pressure::kDrop);
    INFO(row.description << ", " << (pressure == Pressure::kDrop ? "live" : "replay"));
    Traffic traffic;
    Traffic::Session session(traffic, 1);
    session.open().talk(20, 100).client("needle").talk(5);
    Traffic::Session unwanted(traffic, 2);
    unwanted.open().talk(20, 100);
    test::PipelineRun run(kNeedle, 8191, with_inspect(std::string(R"("hold_bytes": )") + row.hold_bytes));
    run.options.pressure = pressure;
    run.feed(traffic.frames);
    const Stats stats = run.run();
    std::vector<std::size_t> expected(session.places().begin(), session.places().begin() + row.head);
    expected.insert(expected.end(), session.places().end() - 6, session.places().end());
    CHECK(got(run, 0, traffic) == expected);
    CHECK(dropped(stats, DropReason::kHoldFull) == 2 * (22 - row.head));
    CHECK(dropped(stats, DropReason::kNotSelected) == row.head);
    CHECK(stats.incomplete == 1);
    CHECK(stats.hold_refused == 0);
    CHECK(stats.lost() == 0);
    CHECK(stats.rules[0].count.packets == expected.size());
}

TEST_CASE("payload drops and what stands behind and beside them") {
    // 0 SYN, 1 SYN/ACK, 2 "hello", 3 "from here", 4 "the evil", 5 answer, 6 "bye"
    struct Row {
        const char* description;
        const char* rules;
        bool evil;
        std::vector<std::vector<std::size_t>> tools;  ///< those that got something, and before them
        std::vector<std::uint64_t> counts;            ///< packets by rule
        std::map<DropReason, std::uint64_t> drops;
    };
    const std::vector<std::size_t> all{0, 1, 2, 3, 4, 5, 6};
    static constexpr const char* kDropFirst = R"([{"id": 1, "payload": ["evil"], "drop": true},
                                                  {"id": 2, "filter": "tcp", "forward": ["a"]}])";
    static constexpr const char* kBeside =
        R"([{"id": 1, "filter": "tcp[13] & 2 != 0", "scope": "packet", "forward": ["b"]},
        {"id": 2, "payload": ["evil"], "drop": true}, {"id": 3, "filter": "tcp", "forward": ["a"]},
        {"id": 4, "payload": ["here"], "scope": "packet", "forward": ["c"]}])";
    static constexpr const char* kOnward = R"([{"id": 1, "payload": ["evil"], "drop": true},
        {"id": 2, "payload": ["here"], "scope": "onward", "forward": ["a"]},
        {"id": 3, "payload": ["hello"], "forward": ["b"]}])";
    static constexpr const char* kFirst = R"([{"id": 1, "filter": "tcp", "forward": ["a"]},
        {"id": 2, "payload": ["evil"], "drop": true}, {"id": 3, "filter": "tcp", "forward": ["b"]}])";
    const std::vector<Row> rows = {
        {"all waits, then all goes", kDropFirst, false, {all}, {0, 7}, {}},
        {"all waits, then nothing goes", kDropFirst, true, {}, {7, 0}, {{DropReason::kDropRule, 7}}},
        {"packets before the drop go at once", kBeside, false, {all, {0, 1}, {3}}, {2, 0, 7, 1}, {}},
        {"and stay when it matches", kBeside, true, {{}, {0, 1}}, {2, 7, 0, 0}, {{DropReason::kDropRule, 5}}},
        {"onward behind an open drop", kOnward, false, {{3, 4, 5, 6}, all}, {0, 4, 7}, {}},
        {"onward behind a drop that matches", kOnward, true, {}, {7, 0, 0}, {{DropReason::kDropRule, 7}}},
        {"a forward before the drop does not wait", kFirst, true, {all}, {7, 7, 0}, {}},
        {"nor when it never matches", kFirst, false, {all, all}, {7, 0, 7}, {}},
    };
    for (const Row& row : rows) {
        for (const auto pressure : {Pressure::kPushBack, Pressure::kDrop}) {
            INFO(row.description << ", " << (pressure == Pressure::kDrop ? "live" : "replay"));
            Traffic traffic;
            Traffic::Session session(traffic, 1);
            session.open().client("hello").client("from here").client(row.evil ? "the evil" : "the good");
            session.server("answer").client("bye");
            test::PipelineRun run(row.rules);
            run.options.pressure = pressure;
            run.feed(traffic.frames);
            const Stats stats = run.run();
            for (std::size_t tool = 0; tool < 4; ++tool) {
                INFO("tool " << tool);
                CHECK(got(run, tool, traffic) ==
                      (tool < row.tools.size() ? row.tools[tool] : std::vector<std::size_t>{}));
            }
            for (std::size_t rule = 0; rule < stats.rules.size(); ++rule) {
                INFO("rule " << rule + 1);
                CHECK(stats.rules[rule].count.packets == row.counts[rule]);
                CHECK(stats.rules[rule].flows == (row.counts[rule] != 0 ? 1 : 0));
            }
            for (std::size_t r = 0; r < select::kDropReasons; ++r) {
                const auto reason = static_cast<DropReason>(r);
                INFO(select::drop_reason_name(reason));
                CHECK(dropped(stats, reason) == (row.drops.contains(reason) ? row.drops.at(reason) : 0));
            }
            CHECK(stats.incomplete == 0);
        }
    }
}

TEST_CASE("what a payload drop holds back and cannot keep makes the session incomplete") {
    Traffic traffic;
    Traffic::Session session(traffic, 1);
    session.open().talk(20, 100).client("", net::tcp_flag::kFin | net::tcp_flag::kAck);
    session.server("", net::tcp_flag::kFin | net::tcp_flag::kAck).client("");
    const char* const hold_bytes = GENERATE("0", "262");
    INFO(hold_bytes);
    const unsigned head = std::string_view(hold_bytes) == "0" ? 0 : 3;
    test::PipelineRun run(R"([{"id": 1, "payload": ["evil"], "drop": true}, {"id": 2, "forward": ["a"]}])",
                          8191, with_inspect(std::string(R"("hold_bytes": )") + hold_bytes));
    run.feed(traffic.frames);
    const Stats stats = run.run();
    // The second FIN decides: it and what follows goes.
    std::vector<std::size_t> expected(session.places().begin(), session.places().begin() + head);
    expected.insert(expected.end(), {23, 24});
    CHECK(got(run, 0, traffic) == expected);
    CHECK(stats.incomplete == 1);
    CHECK(dropped(stats, DropReason::kHoldFull) == 23 - head);
}

TEST_CASE("live, a release that finds no buffer is shed and counted") {
    Traffic traffic;
    Traffic::Session session(traffic, 1);
    session.open().talk(500).client("needle").talk(3);
    test::PipelineRun run(R"([{"id": 1, "payload": ["needle"], "forward": ["a", "b"]}])", 8191,
                          with_inspect(R"("hold_bytes": "1MiB")"));
    run.options.pressure = Pressure::kDrop;
    new_release_pool(run, 31);
    run.feed(traffic.frames);
    const Stats stats = run.run();
    // The stage does not wait for tx in the middle of a release.
    const std::uint64_t no_buffer = test::shed(stats, port::ShedReason::kNoBuffer);
    CHECK(no_buffer > 0);
    CHECK(stats.lost() == no_buffer);
    CHECK(stats.ports[0].forwarded.packets + stats.ports[1].forwarded.packets == traffic.frames.size());
    for (const std::size_t tool : {0u, 1u}) {
        const auto places = got(run, tool, traffic);
        CHECK(std::ranges::is_sorted(places));
        CHECK(stats.tools[tool].offered.packets == traffic.frames.size());
        CHECK(stats.tools[tool].shed_total().packets + places.size() == traffic.frames.size());
    }
}

TEST_CASE("no thread allocates for flows that are held, released and let go") {
    if (!test::AllocationCount::works()) SKIP_TEST("a sanitizer has an allocator of its own");
    Traffic traffic;
    for (unsigned i = 0; i < 300; ++i) {
        Traffic::Session session(traffic, i);
        session.open().talk(i % 3 == 0 ? 100 : 10, 200);
        if (i % 2 == 0) session.client("nee").client("dle").server("evil");
        session.talk(3);
        if (i % 5 != 0) session.client("", net::tcp_flag::kAck | net::tcp_flag::kRst);
    }
    test::PipelineRun run(R"([{"id": 1, "payload": ["needle"], "forward": ["a", "any"]},
                              {"id": 2, "filter": "host 10.0.0.7", "payload": ["evil"], "drop": true},
                              {"id": 3, "payload_none": ["needle"], "forward": ["c"]},
                              {"id": 4, "payload": ["evil"], "scope": "onward", "forward": ["d"]}])",
                          8191,
                          R"(, "inspect": {"flows": 250, "hold_budget": "1MiB", "hold_bytes": "16KiB"})");
    run.sinks.clear();
    run.options.tools.clear();
    for (int tool = 0; tool < 4; ++tool) {
        run.sinks.push_back(std::make_unique<loop::LoopSink>());
        run.options.tools.push_back(run.sinks.back().get());
    }
    run.options.pressure = Pressure::kDrop;
    run.options.plan = test::plan_of("rx=0;select=1,2;tx=3");
    run.feed(traffic.frames, loop::LoopSource::kForever);
    dataplane::Pipeline& pipeline = run.start();
    while (pipeline.stats().ports[0].received.packets < 100) test::sleep_ms(1);
    const std::uint64_t before = pipeline.stats().ports[0].received.packets;
    std::uint64_t allocated = 0;
    {
        const test::AllocationCount count;
        for (int i = 0; i < 300; ++i) test::sleep_ms(1);
        allocated = count.so_far();
    }
    CHECK(pipeline.stats().ports[0].received.packets > before + 1000);
    CHECK(allocated == 0);
    pipeline.stop_sources();
    const Stats stats = run.finish();
    for (const std::size_t tool : {0u, 2u, 3u}) CHECK(stats.tools[tool].sent.packets > 0);
    CHECK(stats.let_go + stats.evicted > 0);
    CHECK(dropped(stats, DropReason::kHoldFull) > 0);
}
