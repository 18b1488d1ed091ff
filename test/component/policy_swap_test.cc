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
    const auto to_b = test::policy_of(test::config_with_rules(R"([{"id": 1, "forward": ["b"]}])"), 2);
    const auto to_a = test::policy_of(test::config_with_rules(R"([{"id": 1, "forward": ["a"]}])"), 3);
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
    auto thread = dataplane::PollThread::create(5, 0, {}, quiescent, true);
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
