// SPDX-License-Identifier: BSD-3-Clause
#include <catch2/catch.hpp>

#include "support/pipeline_run.h"

namespace yagura {
namespace {

constexpr const char* kRules = R"([{"id": 1, "forward": ["a", "b"]}])";

std::uint64_t busy(const dataplane::ThreadStats& thread, dataplane::StageKind kind) {
    return thread.cycles->busy[static_cast<std::size_t>(kind)];
}

TEST_CASE("clocks tell what the stages of each lcore cost, and of no other") {
    using dataplane::StageKind;
    test::PipelineRun run(kRules);
    run.options.plan = test::plan_of("rx=0;select=1;tx=0");
    run.options.clock_stages = true;
    run.feed(loop::make_frames({.flows = 1000, .size = 64}, base::PortId{0}), 5);
    const dataplane::Stats stats = run.run();
    REQUIRE(stats.threads.size() == 2);
    const dataplane::ThreadStats& outer = stats.threads[0];
    const dataplane::ThreadStats& select = stats.threads[1];
    REQUIRE(outer.cycles);
    REQUIRE(select.cycles);
    CHECK(busy(outer, StageKind::kRx) > 0);
    CHECK(busy(outer, StageKind::kSelect) == 0);
    CHECK(busy(outer, StageKind::kTx) > 0);
    CHECK(busy(select, StageKind::kRx) == 0);
    CHECK(busy(select, StageKind::kSelect) > 0);
    CHECK(busy(select, StageKind::kTx) == 0);
    for (const dataplane::ThreadStats& thread : stats.threads) {
        CHECK(thread.cycles->between > 0);
        CHECK(thread.cycles->idle > 0);
    }
}

TEST_CASE("without clocks there are no cycles") {
    test::PipelineRun run(kRules);
    run.feed(loop::make_frames({.flows = 10, .size = 64}, base::PortId{0}));
    for (const dataplane::ThreadStats& thread : run.run().threads) CHECK_FALSE(thread.cycles);
}

TEST_CASE("cycles add up, and are taken apart again") {
    const dataplane::StageCycles a{.busy = {1, 2, 3}, .between = 4, .idle = 5};
    const dataplane::StageCycles b{.busy = {10, 20, 30}, .between = 40, .idle = 50};
    dataplane::StageCycles sum = a;
    sum += b;
    CHECK(sum.busy_total() == a.busy_total() + b.busy_total());
    CHECK(sum.idle == 55);
    const dataplane::StageCycles rest = sum - b;
    CHECK(rest.busy == a.busy);
    CHECK(rest.between == a.between);
    CHECK(rest.idle == a.idle);
    CHECK(a.busy_total() == 10);
}

}  // namespace
}  // namespace yagura
