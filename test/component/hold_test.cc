// SPDX-License-Identifier: BSD-3-Clause
// Releases larger than rings and pools, and policies and pipelines that end while packets are held.
#include "support/held_traffic.h"

using namespace yagura;
using dataplane::Pressure;
using dataplane::Stats;
using select::DropReason;
using test::dropped;
using test::got;
using test::kNeedle;
using test::narrow;
using test::new_release_pool;
using test::sorted;
using test::Traffic;
using test::with_inspect;

TEST_CASE("a release larger than rings and pool waits for the tools and loses nothing") {
    const char* const lcores = GENERATE("rx=0;select=0;tx=0", "rx=0;select=1;tx=2", "rx=0;select=1,2;tx=3");
    const unsigned burst = GENERATE(1u, 8u);
    INFO(lcores << ", burst " << burst);
    Traffic traffic;
    std::vector<Traffic::Session> sessions;
    for (unsigned i = 0; i < 4; ++i) sessions.emplace_back(traffic, i).open();
    // Held in turn, then decided in one burst, with more for the same tools right behind.
    for (unsigned n = 0; n < 700; ++n) {
        for (auto& session : sessions) session.talk(1);
    }
    for (auto& session : sessions) session.client("needle");
    for (unsigned n = 0; n < 20; ++n) {
        for (auto& session : sessions) session.server("more");
    }
    test::PipelineRun run(R"([{"id": 1, "payload": ["needle"], "forward": ["a", "b"]},
                              {"id": 2, "filter": "src port 80", "scope": "packet", "forward": ["c"]}])",
                          8191, with_inspect(R"("hold_bytes": "1MiB")"));
    run.options.plan = test::plan_of(lcores);
    narrow(run, burst);
    new_release_pool(run, 31);
    run.feed(traffic.frames);
    const Stats stats = run.run();
    CHECK(stats.lost() == 0);
    CHECK(stats.hold_refused == 0);
    CHECK(stats.let_go == 0);
    for (const std::size_t tool : {0u, 1u}) {
        const auto places = got(run, tool, traffic);
        CHECK(places.size() == traffic.frames.size());
        for (const auto& session : sessions) {
            std::vector<std::size_t> of_session;
            for (const std::size_t place : places) {
                if (std::ranges::binary_search(session.places(), place)) of_session.push_back(place);
            }
            CHECK(of_session == session.places());
        }
    }
    CHECK(run.sinks[2]->frames().size() == 4 * 21);
    CHECK(stats.rules[0].count.packets == traffic.frames.size());
    CHECK(stats.rules[1].count.packets == 4 * 21);
}

TEST_CASE("a queue is released twice: each tool gets each packet once") {
    const char* const lcores = GENERATE("rx=0;select=0;tx=0", "rx=0;select=1;tx=2");
    const unsigned burst = GENERATE(1u, 8u);
    INFO(lcores << ", burst " << burst);
    Traffic traffic;
    Traffic::Session session(traffic, 1);
    session.open().talk(500).client("first").talk(300).client("second").talk(20);
    session.client("third").talk(3);
    test::PipelineRun run(R"([{"id": 1, "payload": ["first"], "forward": ["a"]},
                              {"id": 2, "payload": ["second"], "forward": ["b", "a"]},
                              {"id": 3, "payload": ["third"], "forward": ["c"]},
                              {"id": 4, "payload": ["fourth"], "forward": ["d"]}])",
                          8191, with_inspect(R"("hold_bytes": "1MiB")"));
    run.options.plan = test::plan_of(lcores);
    narrow(run, burst);
    new_release_pool(run, 31);
    run.feed(traffic.frames);
    const Stats stats = run.run();
    CHECK(stats.lost() == 0);
    CHECK(stats.incomplete == 0);
    for (const std::size_t tool : {0u, 1u, 2u}) CHECK(got(run, tool, traffic) == session.places());
    CHECK(run.sinks[3]->frames().empty());
    const std::uint64_t all = traffic.frames.size();
    CHECK(stats.ports[0].forwarded.packets + stats.ports[1].forwarded.packets == all);
    for (const std::size_t rule : {0u, 1u, 2u}) {
        CHECK(stats.rules[rule].count.packets == all);
        CHECK(stats.rules[rule].flows == 1);
    }
    CHECK(stats.rules[3].count.packets == 0);
}

namespace {

/// Gives the frames of `source` up to `bar`, which the test moves, `later_ns` later than they are.
struct Barred final : port::RxQueue {
    Barred(loop::LoopSource& s, std::uint64_t b) : source(s), bar(b) {}
    std::uint16_t receive(std::span<rte_mbuf*> burst) override {
        const std::uint64_t left = bar.load(std::memory_order_acquire) - taken;
        const std::uint16_t n = source.receive(
            burst.first(static_cast<std::size_t>(std::min<std::uint64_t>(left, burst.size()))));
        taken += n;
        for (rte_mbuf* packet : burst.first(n)) port::meta(packet).order_time += later_ns;
        return n;
    }
    bool can_wait() const override { return true; }
    bool exhausted() const override { return source.exhausted(); }
    loop::LoopSource& source;
    std::atomic<std::uint64_t> bar;
    std::atomic<std::uint64_t> later_ns{0};
    std::uint64_t taken = 0;
};

std::uint64_t settled(const Stats& stats) {
    std::uint64_t packets = 0;
    for (const auto& port : stats.ports)
        packets += port.forwarded.packets + port.held.packets + port.dropped_total().packets;
    return packets;
}

}  // namespace

TEST_CASE("what is held goes on under the policy that it began with") {
    const auto pressure = GENERATE(Pressure::kPushBack, Pressure::kDrop);
    INFO((pressure == Pressure::kDrop ? "live" : "replay"));
    Traffic traffic;
    Traffic::Session before(traffic, 1);
    Traffic::Session twice(traffic, 2);
    Traffic::Session waits(traffic, 3);
    before.open().talk(50);
    twice.open().talk(50).client("needle").talk(50);  // selected, and open still
    // A segment that waits for those before it has blocks of its own.
    waits.open().talk(50);
    traffic.add(net::PacketBuilder()
                    .ethernet()
                    .ipv4("10.0.0.3", "192.0.2.1")
                    .tcp(40000, 80, net::tcp_flag::kAck, {.seq = 9000})
                    .payload("needle")
                    .build());
    const std::size_t swapped = traffic.frames.size();
    before.client("needle").talk(5);
    twice.client("other").talk(5);
    test::PipelineRun run(R"([{"id": 1, "payload": ["needle"], "forward": ["a"]},
                              {"id": 2, "payload": ["other"], "forward": ["b"]}])");
    run.options.pressure = pressure;
    run.feed(traffic.frames);
    Barred source(*run.sources[0], swapped);
    run.options.sources = {&source};
    dataplane::Pipeline& pipeline = run.start();
    while (settled(pipeline.stats()) < swapped) test::sleep_ms(1);
    CHECK(pipeline.stats().ports[0].held.packets > 0);
    CHECK(pipeline.stats().inspected == 3);
    const base::Count held = pipeline.stats().ports[0].held;
    pipeline.swap_policy(test::policy_of(test::config_with_rules(
        R"([{"id": 7, "payload": ["needle"], "forward": ["c"]}, {"id": 8, "payload": ["other"], "forward": ["d"]}])")));
    CHECK_FALSE(pipeline.retire_policy());
    CHECK(pipeline.stats().inspected_before == 3);
    CHECK(pipeline.stats().ports[0].held == held);
    source.bar = traffic.frames.size();
    const Stats stats = run.finish();
    CHECK(pipeline.retire_policy());
    CHECK(stats.lost() == 0);
    CHECK(stats.inspected == 0);
    // The packet that decides it is the last that the old policy is asked about; by what that has found, the
    // new one goes on.
    std::vector<std::size_t> until_decided = twice.places();
    const std::vector<std::size_t> rest(until_decided.end() - 5, until_decided.end());
    until_decided.resize(until_decided.size() - rest.size());
    std::vector<std::size_t> of_a = before.places();
    of_a.insert(of_a.end(), until_decided.begin(), until_decided.end());
    // What waited is looked at in the end.
    of_a.insert(of_a.end(), waits.places().begin(), waits.places().end());
    of_a.push_back(waits.places().back() + 1);
    CHECK(sorted(got(run, 0, traffic)) == sorted(of_a));
    CHECK(got(run, 1, traffic) == until_decided);
    CHECK(got(run, 2, traffic) == rest);
    CHECK(got(run, 3, traffic) == rest);
    CHECK(dropped(stats, DropReason::kNotSelected) == 0);
    CHECK(stats.rules[0].count.packets == rest.size());
}

TEST_CASE("what a payload has decided stays decided under a policy with the same condition") {
    const auto pressure = GENERATE(Pressure::kPushBack, Pressure::kDrop);
    INFO((pressure == Pressure::kDrop ? "live" : "replay"));
    Traffic traffic;
    Traffic::Session session(traffic, 1);
    Traffic::Session onward(traffic, 2);
    session.open().talk(5).client("needle").server("more");
    onward.open().talk(5).client("thread").server("more");
    const std::size_t swapped = traffic.frames.size();
    session.talk(3).server("more");
    onward.talk(3).server("more");
    test::PipelineRun run(R"([{"id": 1, "filter": "host 10.0.0.1", "payload": ["needle"], "forward": ["a"]},
                              {"id": 2, "filter": "host 10.0.0.2", "payload": ["thread"], "scope": "onward", "forward": ["a"]}])");
    run.options.pressure = pressure;
    run.feed(traffic.frames);
    Barred source(*run.sources[0], swapped);
    run.options.sources = {&source};
    dataplane::Pipeline& pipeline = run.start();
    while (settled(pipeline.stats()) < swapped) test::sleep_ms(1);
    // Other numbers, another place, another tool: the condition alone counts.
    const char* const same =
        R"([{"id": 5, "payload": ["another"], "forward": ["d"]},
            {"id": 6, "filter": "host 10.0.0.2", "payload": ["thread"], "scope": "onward", "forward": ["b"]},
            {"id": 7, "filter": "host 10.0.0.1", "payload": ["needle"], "forward": ["b"]}])";
    const char* const different =
        R"([{"id": 5, "filter": "tcp", "payload": ["needle"], "forward": ["b"]},
                                      {"id": 6, "filter": "host 10.0.0.2", "payload": ["thread"], "forward": ["b"]}])";
    const bool stays = GENERATE(true, false);
    pipeline.swap_policy(test::policy_of(test::config_with_rules(stays ? same : different)));
    while (!pipeline.retire_policy()) test::sleep_ms(1);
    source.bar = traffic.frames.size();
    const Stats stats = run.finish();
    CHECK(stats.lost() == 0);
    CHECK(run.sinks[1]->frames().size() == (stays ? traffic.frames.size() - swapped : 0));
}

TEST_CASE("an inspection goes on under the old policy for its time, and not under the one before that") {
    const bool twice = GENERATE(false, true);
    Traffic traffic;
    Traffic::Session session(traffic, 1);
    session.open().talk(5);
    const std::size_t swapped = traffic.frames.size();
    session.talk(1);
    const std::size_t late = traffic.frames.size();
    session.client("needle").talk(1);
    test::PipelineRun run(R"([{"id": 1, "payload": ["needle"], "forward": ["a"]}])");
    run.feed(traffic.frames);
    Barred source(*run.sources[0], swapped);
    run.options.sources = {&source};
    dataplane::Pipeline& pipeline = run.start();
    while (settled(pipeline.stats()) < swapped) test::sleep_ms(1);
    const auto next =
        test::policy_of(test::config_with_rules(R"([{"id": 2, "payload": ["needle"], "forward": ["b"]}])"));
    pipeline.swap_policy(next);
    CHECK(pipeline.stats().inspected_before == 1);
    if (twice) {
        pipeline.swap_policy(next);
    } else {
        source.later_ns = dataplane::SelectStage::kPassingNs;
        source.bar = late;
        while (settled(pipeline.stats()) < late) test::sleep_ms(1);
    }
    while (!pipeline.retire_policy()) test::sleep_ms(1);
    CHECK(pipeline.stats().inspected_before == 0);
    source.bar = traffic.frames.size();
    const Stats stats = run.finish();
    CHECK(stats.lost() == 0);
    // Nothing that was held was selected; the rest is picked up in the middle.
    CHECK(run.sinks[0]->frames().empty());
    CHECK(run.sinks[1]->frames().size() >= 2);
    CHECK(run.sinks[1]->frames().size() < traffic.frames.size() - swapped + 1);
    CHECK(dropped(stats, DropReason::kNotSelected) >= swapped);
}

TEST_CASE("a flow that the old policy is at gives way to others, and leaves nothing behind in the new one") {
    Traffic traffic;
    Traffic::Session session(traffic, 1);
    session.client("", net::tcp_flag::kSyn).client("needle").talk(3);  // nobody answers
    const std::size_t swapped = traffic.frames.size();
    for (unsigned i = 10; i < 40; ++i) Traffic::Session(traffic, i).open().talk(2);
    const std::size_t crowded = traffic.frames.size();
    for (unsigned i = 40; i < 60; ++i) Traffic::Session(traffic, i).open().talk(2);
    test::PipelineRun run(R"([{"id": 1, "payload": ["needle"], "forward": ["a"]},
                              {"id": 2, "payload": ["other"], "forward": ["b"]}])",
                          8191, R"(, "inspect": {"flows": 8})");
    run.options.pressure = Pressure::kDrop;
    run.feed(traffic.frames);
    Barred source(*run.sources[0], swapped);
    run.options.sources = {&source};
    dataplane::Pipeline& pipeline = run.start();
    while (settled(pipeline.stats()) < swapped) test::sleep_ms(1);
    const auto next = test::policy_of(test::config_with_rules(
        R"([{"id": 1, "payload": ["needle"], "forward": ["c"]}, {"id": 2, "payload": ["other"], "forward": ["d"]}])"));
    pipeline.swap_policy(next);
    CHECK(pipeline.stats().inspected_before == 1);
    source.bar = crowded;
    while (settled(pipeline.stats()) < crowded) test::sleep_ms(1);
    CHECK(pipeline.stats().evicted > 0);
    CHECK(pipeline.stats().inspected <= 8);
    pipeline.swap_policy(test::policy_of(run.config));
    pipeline.swap_policy(next);
    source.bar = traffic.frames.size();
    (void)run.finish();
}

TEST_CASE("the numbers of policies come round while flows are inspected") {
    Traffic traffic;
    Traffic::Session matched(traffic, 1);
    Traffic::Session open(traffic, 2);
    matched.open().talk(3).client("needle").talk(3);
    open.open().talk(3);
    const std::size_t swapped = traffic.frames.size();
    matched.talk(2);
    open.client("needle").talk(2);
    const std::size_t late = traffic.frames.size();
    matched.client("other").talk(1);
    test::PipelineRun run(R"([{"id": 1, "payload": ["needle"], "forward": ["a"]},
                              {"id": 2, "payload": ["other"], "forward": ["b"]}])");
    run.options.epoch = select::Selector::kMaxEpoch;
    run.feed(traffic.frames);
    Barred source(*run.sources[0], swapped);
    run.options.sources = {&source};
    dataplane::Pipeline& pipeline = run.start();
    while (settled(pipeline.stats()) < swapped) test::sleep_ms(1);
    const auto next = test::policy_of(test::config_with_rules(
        R"([{"id": 1, "payload": ["needle"], "forward": ["c"]}, {"id": 2, "payload": ["other"], "forward": ["d"]}])"));
    pipeline.swap_policy(next);
    // Both ended with the old numbers; what was found is known.
    CHECK(pipeline.retire_policy());
    CHECK(pipeline.stats().inspected == 1);
    source.bar = late;
    while (settled(pipeline.stats()) < late) test::sleep_ms(1);
    for (int swaps = 0; swaps < 3; ++swaps) pipeline.swap_policy(next);
    source.bar = traffic.frames.size();
    const Stats stats = run.finish();
    CHECK(stats.lost() == 0);
    const std::vector<std::size_t> got_c = got(run, 2, traffic);
    for (const std::size_t place : matched.places()) {
        if (place >= swapped) CHECK(std::ranges::find(got_c, place) != got_c.end());
    }
}

TEST_CASE("whoever asks whether the next policy may come makes what is left of the last but one end") {
    Traffic traffic;
    std::vector<Traffic::Session> sessions;
    for (unsigned i = 0; i < 40; ++i) sessions.emplace_back(traffic, i).open().talk(3);
    const std::size_t swapped = traffic.frames.size();
    for (auto& session : sessions) session.client("needle").talk(2);
    test::PipelineRun run(kNeedle);
    run.feed(traffic.frames);
    Barred source(*run.sources[0], swapped);
    run.options.sources = {&source};
    dataplane::Pipeline& pipeline = run.start();
    while (settled(pipeline.stats()) < swapped) test::sleep_ms(1);
    CHECK(pipeline.ready_for_policy());
    pipeline.swap_policy(
        test::policy_of(test::config_with_rules(R"([{"id": 1, "payload": ["needle"], "forward": ["b"]}])")));
    CHECK(pipeline.stats().inspected_before == 40);
    // No packet comes that could end one.
    CHECK_FALSE(pipeline.ready_for_policy());
    for (int i = 0; i < 10'000 && !pipeline.ready_for_policy(); ++i) test::sleep_ms(1);
    CHECK(pipeline.ready_for_policy());
    CHECK(pipeline.stats().inspected_before == 0);
    source.bar = traffic.frames.size();
    const Stats stats = run.finish();
    CHECK(stats.lost() == 0);
}

TEST_CASE("a policy is replaced before the pipeline has begun") {
    Traffic traffic;
    Traffic::Session session(traffic, 1);
    session.open().talk(3).client("needle").talk(3);
    test::PipelineRun run(kNeedle);
    run.feed(traffic.frames);
    auto pipeline = dataplane::Pipeline::create(run.options);
    REQUIRE(pipeline.ok());
    run.pipeline = std::move(*pipeline);
    for (int swaps = 0; swaps < 3; ++swaps) {
        run.pipeline->swap_policy(test::policy_of(
            test::config_with_rules(R"([{"id": 1, "payload": ["needle"], "forward": ["b"]}])")));
    }
    CHECK(run.pipeline->retire_policy());
    REQUIRE(run.pipeline->start().ok());
    const Stats stats = run.finish();
    CHECK(stats.lost() == 0);
    CHECK(got(run, 1, traffic) == session.places());
}

TEST_CASE("policies change while releases wait for the tools") {
    Traffic traffic;
    for (unsigned i = 0; i < 60; ++i) {
        Traffic::Session session(traffic, i);
        session.open().talk(100).client("needle").talk(5).server("other").talk(5);
    }
    test::PipelineRun run(kNeedle, 8191, with_inspect(R"("hold_bytes": "1MiB")"));
    run.options.plan = test::plan_of("rx=0;select=1,2;tx=3");
    narrow(run, 8);
    new_release_pool(run, 31);
    run.feed(traffic.frames);
    dataplane::Pipeline& pipeline = run.start();
    const auto other = test::policy_of(test::config_with_rules(
        R"([{"id": 1, "payload": ["needle"], "forward": ["a"]}, {"id": 2, "payload": ["other"], "forward": ["a", "b"]}])"));
    const auto needle = test::policy_of(run.config);
    for (unsigned swaps = 0; !pipeline.drained(); ++swaps) {
        pipeline.swap_policy(swaps % 2 == 0 ? other : needle);
        test::sleep_ms(1);
    }
    const Stats stats = run.finish();
    CHECK(stats.lost() == 0);
    // Whatever came of it: no packet twice.
    for (const std::size_t tool : {0u, 1u}) {
        const auto places = sorted(got(run, tool, traffic));
        CHECK(std::ranges::adjacent_find(places) == places.end());
    }
    CHECK(stats.tools[0].offered.packets == run.sinks[0]->frames().size());
    CHECK(stats.ports[0].forwarded.packets + stats.ports[1].forwarded.packets +
              dropped(stats, DropReason::kNotSelected) + dropped(stats, DropReason::kNoRule) ==
          traffic.frames.size());
}

TEST_CASE("a pipeline that is thrown away while packets are held and released returns its packets") {
    const auto pressure = GENERATE(Pressure::kPushBack, Pressure::kDrop);
    const long wait_ms = GENERATE(0, 1, 5, 20);
    INFO((pressure == Pressure::kDrop ? "live" : "replay") << ", after " << wait_ms << " ms");
    Traffic traffic;
    for (unsigned i = 0; i < 50; ++i) {
        Traffic::Session session(traffic, i);
        session.open().talk(200);
        if (i % 2 == 0) session.client("needle").talk(20);
    }
    test::PipelineRun run(kNeedle, 8191, with_inspect(R"("hold_bytes": "1MiB")"));
    run.options.pressure = pressure;
    narrow(run, 8);
    new_release_pool(run, 31);
    run.feed(traffic.frames, loop::LoopSource::kForever);
    run.start();
    test::sleep_ms(wait_ms);
    run.pipeline.reset();
    CHECK(run.pool->whole());
    CHECK(run.release_pool->whole());
}

TEST_CASE("a stage that is thrown away in the middle of its burst returns the burst") {
    // Nobody sends: tx has no turn. The release stops after the ring of 16, in the middle of a burst.
    struct Stuck final : port::TxQueue {
        std::uint16_t send(std::span<rte_mbuf* const>) override {
            entered.store(true, std::memory_order_release);
            while (!go.load(std::memory_order_acquire)) test::sleep_ms(1);
            return 0;
        }
        std::atomic<bool> entered{false};
        std::atomic<bool> go{false};
    } stuck;
    Traffic traffic;
    Traffic::Session session(traffic, 1);
    session.open().talk(100).client("needle").talk(100);
    test::PipelineRun run(kNeedle, 8191, with_inspect(R"("hold_bytes": "1MiB")"));
    run.options.tools[0] = &stuck;
    run.options.plan = test::plan_of("rx=0;select=1;tx=2");
    narrow(run, 8);
    run.feed(traffic.frames);
    dataplane::Pipeline& pipeline = run.start();
    while (!stuck.entered || pipeline.stats().on_tool_rings < 16) test::sleep_ms(1);
    test::sleep_ms(5);
    stuck.go = true;
    run.pipeline.reset();
    CHECK(run.pool->whole());
    CHECK(run.release_pool->whole());
}
