// SPDX-License-Identifier: BSD-3-Clause
#include <map>

#include "support/pipeline_run.h"

using namespace yagura;

namespace {

using Draws = std::unique_ptr<dataplane::FlowDraws>;

/// Waits until the stage has them, and has given back what it had.
dataplane::FlowDraws* exchange(dataplane::Pipeline& pipeline, std::size_t select,
                               dataplane::FlowDraws* draws) {
    dataplane::DrawsExchange exchange{.draws = draws};
    while (!pipeline.exchange_draws(select, exchange)) test::sleep_ms(1);
    while (!exchange.done.load(std::memory_order_acquire)) test::sleep_ms(1);
    return exchange.draws;
}

Draws make_draws(std::uint64_t seed) {
    auto draws = std::make_unique<dataplane::FlowDraws>();
    draws->reset(seed);
    return draws;
}

}  // namespace

TEST_CASE("the busiest flows are found, with their rates and tools, while traffic runs") {
    test::PipelineRun run(R"([{"id": 1, "filter": "tcp", "forward": ["b"]}])");
    // In each lap 40 packets of the first flow, 20 of the second, one of each other.
    constexpr std::uint32_t kFlows = 41;
    const auto one_each = loop::make_frames({.flows = kFlows, .size = 64}, base::PortId{0});
    std::vector<loop::Frame> frames = one_each;
    for (int i = 0; i < 39; ++i) frames.push_back(one_each[0]);
    for (int i = 0; i < 19; ++i) frames.push_back(one_each[1]);
    const std::size_t lap = frames.size();
    for (auto& sink : run.sinks) sink = std::make_unique<loop::LoopSink>();
    for (std::size_t i = 0; i < run.sinks.size(); ++i) run.options.tools[i] = run.sinks[i].get();
    run.feed(std::move(frames), 20'000);
    run.options.plan = test::plan_of("rx=0;select=1,2;tx=3");
    dataplane::Pipeline& pipeline = run.start();

    Draws first[2] = {make_draws(1), make_draws(2)};
    for (std::size_t i = 0; i < 2; ++i) CHECK(exchange(pipeline, i, first[i].get()) == nullptr);
    const auto stats_then = pipeline.stats().ports[0].received.packets;
    while (pipeline.stats().ports[0].received.packets < stats_then + 1000 * lap) test::sleep_ms(1);
    for (std::size_t i = 0; i < 2; ++i) REQUIRE(exchange(pipeline, i, nullptr) == first[i].get());

    std::uint64_t seen = 0;
    std::map<net::FlowKey, double> packets;
    for (const Draws& draws : first) {
        CHECK(draws->ended_ns > draws->began_ns);
        CHECK(draws->count() <= dataplane::FlowDraws::kMost);
        seen += draws->seen();
        for (std::uint32_t i = 0; i < draws->count(); ++i) {
            const dataplane::DrawnPacket& drawn = (*draws)[i];
            REQUIRE(drawn.key.ip_version == 4);
            CHECK(drawn.length == 64);
            packets[drawn.key.canonical()] += static_cast<double>(draws->seen()) / draws->count();
            if (drawn.current) CHECK(drawn.tools == 2);
        }
    }
    CHECK(seen > 500 * lap);
    std::vector<double> shares;
    for (const auto& [key, count] : packets) shares.push_back(count / static_cast<double>(seen));
    std::ranges::sort(shares, std::greater());
    CHECK(shares.size() == kFlows);
    // Of 2,048 draws or more, six standard deviations.
    CHECK(shares[0] == Approx(0.4).margin(0.065));
    CHECK(shares[1] == Approx(0.2).margin(0.053));
    CHECK(shares[2] < 0.04);

    // Nobody draws any more.
    const std::uint64_t then = first[0]->seen();
    const dataplane::Stats stats = run.finish();
    CHECK(first[0]->seen() == then);
    CHECK(stats.tools[1].sent.packets == lap * 20'000);
    CHECK(stats.lost() == 0);
}
