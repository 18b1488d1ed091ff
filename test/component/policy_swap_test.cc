// SPDX-License-Identifier: BSD-3-Clause
#include "support/pipeline_run.h"

using namespace yagura;

TEST_CASE("a policy is replaced under traffic without losing a packet") {
    test::PipelineRun run(R"([{"id": 1, "forward": ["a"]}])");
    run.sinks.clear();
    run.options.tools.clear();
    for (int tool = 0; tool < 4; ++tool) {
        run.sinks.push_back(std::make_unique<loop::LoopSink>());
        run.options.tools.push_back(run.sinks.back().get());
    }
    run.options.plan = test::plan_of("rx=0;select=1,2;tx=3");
    constexpr std::uint64_t kLaps = 2000;
    run.feed(loop::make_frames({.flows = 100, .size = 64}, base::PortId{0}), kLaps);
    dataplane::Pipeline& pipeline = run.start();
    const auto to_b = test::policy_of(test::config_with_rules(R"([{"id": 1, "forward": ["b"]}])"));
    const auto to_a = test::policy_of(test::config_with_rules(R"([{"id": 1, "forward": ["a"]}])"));
    std::uint16_t swaps = 0;
    while (!pipeline.drained()) {
        pipeline.swap_policy(swaps++ % 2 == 0 ? to_b : to_a);
        test::sleep_ms(1);
    }
    const dataplane::Stats stats = run.finish();
    CHECK(swaps > 2);
    CHECK(stats.lost() == 0);
    CHECK(stats.ports[0].forwarded.packets == 100 * kLaps);
    CHECK(stats.tools[0].sent.packets + stats.tools[1].sent.packets == 100 * kLaps);
    CHECK(stats.tools[0].sent.packets > 0);
    CHECK(stats.tools[1].sent.packets > 0);
}

TEST_CASE("a message runs on the thread that it is posted to") {
    struct Probe {
        unsigned lcore = LCORE_ID_ANY;
        std::atomic<bool> done{false};
    } probe;
    dataplane::Message message{.run =
                                   [](void* argument) noexcept {
                                       auto* p = static_cast<Probe*>(argument);
                                       p->lcore = rte_lcore_id();
                                       p->done = true;
                                   },
                               .argument = &probe};
    const dataplane::QuiescentState quiescent(1);
    auto thread = dataplane::PollThread::create({.lcore = 5, .index = 0, .yields = true, .clocked = false},
                                                {}, quiescent);
    REQUIRE(thread.ok());
    REQUIRE((*thread)->start().ok());
    REQUIRE((*thread)->post(message));
    for (int i = 0; i < 10'000 && !probe.done; ++i) test::sleep_ms(1);
    quiescent.synchronize();
    (*thread)->stop();
    CHECK(probe.lcore == 5);
    CHECK((*thread)->turns().empty > 0);
    CHECK((*thread)->turns().busy == 0);
}

TEST_CASE("a flow that was idle over several policies is decided by the last one") {
    // Lists of rules get the same small numbers in every table: a stale number would name another list.
    test::PipelineRun run(
        R"([{"id": 1, "filter": "tcp", "forward": ["a"]}, {"id": 2, "filter": "udp", "forward": ["b"]}])");
    const auto tcp = loop::make_frames({.flows = 1, .size = 64}, base::PortId{0});
    struct Gate final : port::RxQueue {
        Gate(loop::LoopSource& s) : source(s) {}
        std::uint16_t receive(std::span<rte_mbuf*> burst) override {
            if (!open.load(std::memory_order_acquire)) return 0;
            const std::uint16_t n = source.receive(burst.first(1));
            if (n != 0) open.store(false, std::memory_order_release);
            return n;
        }
        bool exhausted() const override { return source.exhausted(); }
        loop::LoopSource& source;
        std::atomic<bool> open{true};
    };
    run.sources.push_back(std::make_unique<loop::LoopSource>(tcp, 2, run.pool->get()));
    Gate gate(*run.sources[0]);
    run.options.sources = {&gate};
    dataplane::Pipeline& pipeline = run.start();
    while (pipeline.stats().tools[0].sent.packets < 1) test::sleep_ms(1);
    pipeline.swap_policy(test::policy_of(test::config_with_rules(R"([{"id": 1, "forward": ["b"]}])")));
    pipeline.swap_policy(test::policy_of(test::config_with_rules(
        R"([{"id": 1, "filter": "udp", "forward": ["d"]}, {"id": 2, "filter": "tcp", "forward": ["c"]}])")));
    gate.open = true;
    const dataplane::Stats stats = run.finish();
    CHECK(stats.tools[0].sent.packets == 1);
    CHECK(stats.tools[2].sent.packets == 1);
    CHECK(stats.rules[1].count.packets == 1);
    CHECK(stats.rules[0].count.packets == 0);
}
