// SPDX-License-Identifier: BSD-3-Clause
#include "app/bench/card/traffic_maker.h"

#include <fmt/format.h>

#include <algorithm>

#include "app/bench/frame_sizes.h"

namespace yagura::bench {
namespace {

constexpr std::uint32_t kFewFlows = 64;

std::uint64_t shortest(const rules::FlowTimeouts& t) {
    return static_cast<std::uint64_t>(std::min({t.tcp_opening, t.tcp, t.tcp_closed, t.udp, t.other}).count());
}

/// Flows for a rule with a sample are made as if it held of all: of these, its share will be in the sample.
ClassPlan classes_of(const broker::LoadedConfig& loaded) {
    rules::Config whole = loaded.config;
    for (rules::Rule& rule : whole.rules) rule.sample = 1;
    return plan_classes(whole, select::make_policy(whole, loaded.compiled));
}

}  // namespace

base::Result<TrafficMaker> TrafficMaker::create(const broker::LoadedConfig& loaded,
                                                const CardChoice& choice) {
    return choice.capture.empty() ? made(loaded, choice) : captured(loaded, choice);
}

base::Result<TrafficMaker> TrafficMaker::made(const broker::LoadedConfig& loaded, const CardChoice& choice) {
    const auto sizes = parse_frame_sizes(choice.size);
    if (!sizes) return sizes.error();
    TrafficMaker maker;
    maker.classes_ = classes_of(loaded);
    maker.options_ = {.sizes = sizes->turn,
                      .hits = choice.hits / 100,
                      .packets_per_flow = choice.packets_per_flow,
                      .lap_ns = shortest(loaded.config.inspect.timeouts) / 2};
    maker.flows_ = static_cast<std::uint32_t>(
        std::min<std::uint64_t>(choice.flows, std::max<std::uint64_t>(loaded.config.inspect.flows, 1)));
    if (maker.classes_.selected.empty())
        maker.notes_.push_back("No traffic could be made that a rule forwards: nothing is selected.");
    if (maker.classes_.others_selected)
        maker.notes_.push_back("No traffic could be made that nothing selects: everything is selected.");
    std::uint64_t fewest = ~std::uint64_t{0};
    for (const FlowClass& one : maker.classes_.selected) fewest = std::min(fewest, one.flows());
    if (fewest < choice.flows) {
        maker.notes_.push_back(fmt::format(
            "Some rule names its hosts and ports so closely that its flows are only {} different ones.",
            fewest));
    }
    return maker;
}

base::Result<TrafficMaker> TrafficMaker::captured(const broker::LoadedConfig& loaded,
                                                  const CardChoice& choice) {
    constexpr std::size_t kMostFrames = 200'000;
    const auto raw = read_capture(choice.capture, kMostFrames);
    if (!raw) return raw.error();
    auto plan = CapturePlan::create(*raw, loaded.config.inspect.timeouts);
    if (!plan) return plan.error();
    const CapturePlan& capture = **plan;
    TrafficMaker maker;
    maker.notes_.push_back(fmt::format(
        "{}: {} frames of {} flows, round and round, each lap with new flows (the low 16 bits of "
        "the client's address change). Left out: {} frames larger than {} bytes, {} IP fragments.",
        raw->name, capture.frames.size(), capture.flows, capture.left_out_large, FlowScript::kLargest,
        capture.left_out_fragments));
    maker.flows_ = capture.flows;
    maker.captured_ = std::move(*plan);
    return maker;
}

base::Result<std::unique_ptr<PacketWriter>> TrafficMaker::make(const TrafficShares& shares, bool few,
                                                               bool ends) {
    if (captured_) return make_writer(captured_, ends);
    auto& plan = plans_[shares];
    if (plan == nullptr) {
        auto made = TrafficPlan::create(classes_, options_, shares);
        if (!made) return made.error();
        plan = std::move(*made);
    }
    return make_writer(plan, few ? std::min(kFewFlows, flows_) : flows_, ends);
}

}  // namespace yagura::bench
