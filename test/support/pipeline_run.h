// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <time.h>

#include <catch2/catch.hpp>
#include <memory>
#include <vector>

#include "dataplane/pipeline.h"
#include "drivers/loop/loop.h"
#include "port/packet_pool.h"
#include "support/rules_from_json.h"

namespace yagura::test {

/// The EAL of the tests has lcores 0 to 7, all on one CPU.
inline dataplane::LcorePlan plan_of(const std::string& lcores) {
    auto spec = dataplane::parse_lcores(lcores);
    REQUIRE(spec.ok());
    dataplane::LcorePlan plan = dataplane::LcorePlan::make(*spec, {0});
    for (auto& lcore : plan.lcores) lcore.shares_cpu = true;
    return plan;
}

inline void sleep_ms(long ms) {
    const timespec pause{.tv_sec = 0, .tv_nsec = ms * 1'000'000};
    nanosleep(&pause, nullptr);
}

/// A pipeline from memory to the four tools of config_with_rules(), set up but not started. `more`: members
/// of the configuration behind the rules, each with a comma before it; without them there is room for 4,096
/// flows.
struct PipelineRun {
    static constexpr std::uint32_t kReleased = 4095;

    explicit PipelineRun(const std::string& rules, std::uint32_t pool_size = 8191,
                         const std::string& more = "")
        : config(config_with_rules(rules, more)),
          pool(std::move(port::PacketPool::create("run", pool_size).value())),
          release_pool(std::move(port::PacketPool::create("released", kReleased).value())) {
        for (int tool = 0; tool < 4; ++tool) {
            sinks.push_back(std::make_unique<loop::LoopSink>(loop::LoopSink::Keep::kFrames));
            options.tools.push_back(sinks.back().get());
        }
        options.plan = plan_of("rx=0;select=1;tx=0");
        options.ports = 2;
        options.policy = policy_of(config);
        options.pressure = dataplane::Pressure::kPushBack;
        options.ring_size = 2048;
        options.inspect = config.inspect;
        if (more.empty()) options.inspect.flows = 4096;
        options.release_pool = release_pool->get();
    }
    ~PipelineRun() {
        pipeline.reset();
        sources.clear();
    }

    void feed(std::vector<loop::Frame> frames, std::uint64_t laps = 1) {
        sources.push_back(std::make_unique<loop::LoopSource>(std::move(frames), laps, pool->get()));
        options.sources.push_back(sources.back().get());
    }
    dataplane::Pipeline& start() {
        auto made = dataplane::Pipeline::create(options);
        REQUIRE(made.ok());
        pipeline = std::move(made).value();
        REQUIRE(pipeline->start().ok());
        return *pipeline;
    }
    /// Waits for the end (bounded), stops, and checks what must hold after every run.
    dataplane::Stats finish() {
        for (int i = 0; i < 30'000 && !pipeline->drained(); ++i) sleep_ms(1);
        REQUIRE(pipeline->drained());
        pipeline->stop();
        const dataplane::Stats stats = pipeline->stats();
        CHECK(stats.balanced());
        CHECK(stats.on_select_rings == 0);
        CHECK(stats.on_tool_rings == 0);
        for (const dataplane::PortStats& port : stats.ports) CHECK(port.held == base::Count{});
        CHECK(stats.held_blocks == 0);
        CHECK(stats.inspected == 0);
        CHECK(pool->whole());
        CHECK(release_pool->whole());
        return stats;
    }
    dataplane::Stats run() {
        start();
        return finish();
    }

    rules::Config config;
    std::unique_ptr<port::PacketPool> pool;
    std::unique_ptr<port::PacketPool> release_pool;
    std::vector<std::unique_ptr<loop::LoopSource>> sources;
    std::vector<std::unique_ptr<loop::LoopSink>> sinks;
    dataplane::PipelineOptions options;
    std::unique_ptr<dataplane::Pipeline> pipeline;
};

/// Takes a port out when what it has received is through.
inline void remove(dataplane::Pipeline& pipeline, base::PortId port) {
    pipeline.stop_port(port);
    for (int i = 0; i < 30'000 && !pipeline.port_stopped(port); ++i) sleep_ms(1);
    REQUIRE(pipeline.port_stopped(port));
    pipeline.remove_port(port);
}

inline void remove(dataplane::Pipeline& pipeline, base::ToolId tool) {
    bool stopped = false;
    for (int i = 0; i < 30'000 && !stopped; ++i) {
        stopped = pipeline.stop_tool(tool);
        if (!stopped) sleep_ms(1);
    }
    REQUIRE(stopped);
    pipeline.remove_tool(tool);
}

}  // namespace yagura::test
