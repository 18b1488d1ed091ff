// SPDX-License-Identifier: BSD-3-Clause
#include "app/bench/card/traffic_plan.h"

#include <fmt/format.h>

#include "base/hash.h"

namespace yagura::bench {
namespace {

/// The n-th of numbers from 0 to 1 that are spread evenly: of any run of them the same share is below a
/// bound. With another irrational number they are others, independent of these.
double spread_evenly(std::uint64_t n, std::uint64_t irrational) {
    return static_cast<double>(n * irrational >> 11) * 0x1p-53;
}
constexpr std::uint64_t kGoldenRatio = 0x9e3779b97f4a7c15;
constexpr std::uint64_t kRootOfTwo = 0x6a09e667f3bcc909;

}  // namespace

TrafficPlan::Part TrafficPlan::make_part(const ClassPlan& classes, const Options& options, Wrapping wrapping,
                                         bool fragmented) {
    const auto scripts_of = [&](const std::vector<FlowClass>& of) {
        std::vector<FlowScript> scripts;
        for (FlowClass one : of) {
            one.wrapping = wrapping;
            scripts.emplace_back(one, options.sizes, options.packets_per_flow, fragmented);
        }
        return scripts;
    };
    return {.flows = 0, .selected = scripts_of(classes.selected), .others = scripts_of(classes.others)};
}

double TrafficPlan::most_fragments(const ClassPlan& classes, const Options& options) {
    const Part part = make_part(classes, options, Wrapping::kNone, true);
    const auto mean = [](const std::vector<FlowScript>& scripts) {
        double sum = 0;
        for (const FlowScript& script : scripts)
            sum += static_cast<double>(script.fragments()) / script.packets();
        return scripts.empty() ? 0 : sum / static_cast<double>(scripts.size());
    };
    const double hits = part.selected.empty() ? 0 : options.hits;
    return hits * mean(part.selected) + (1 - hits) * mean(part.others);
}

base::Result<std::shared_ptr<const TrafficPlan>> TrafficPlan::create(const ClassPlan& classes,
                                                                     const Options& options,
                                                                     const TrafficShares& shares) {
    double fragmented_flows = 0;
    if (shares.fragments > 0) {
        const double most = most_fragments(classes, options);
        if (shares.fragments > most) {
            return base::Error{fmt::format(
                "of flows of {} packets {:.1f} % can be fragments at most: a TCP flow's first and last "
                "packets are none; the share of fragments is {:g} %",
                options.packets_per_flow, most * 100, shares.fragments * 100)};
        }
        // All flows have as many packets.
        fragmented_flows = shares.fragments / most;
    }
    std::shared_ptr<TrafficPlan> plan(new TrafficPlan(options));
    const auto add = [&](Wrapping wrapping, double share) {
        for (const bool fragmented : {false, true}) {
            const double flows = share * (fragmented ? fragmented_flows : 1 - fragmented_flows);
            if (flows <= 0) continue;
            plan->parts_.push_back(make_part(classes, options, wrapping, fragmented));
            plan->parts_.back().flows = flows;
        }
    };
    add(Wrapping::kNone, shares.bare());
    for (std::size_t i = 0; i < kWrappings; ++i) add(static_cast<Wrapping>(i), shares.wrapped[i]);
    return std::shared_ptr<const TrafficPlan>(std::move(plan));
}

const FlowScript& TrafficPlan::script_of(std::uint64_t flow) const {
    double place = spread_evenly(flow, kRootOfTwo);
    std::size_t i = 0;
    for (; i + 1 < parts_.size() && place >= parts_[i].flows; ++i) place -= parts_[i].flows;
    const Part& part = parts_[i];
    const bool hit = !part.selected.empty() && spread_evenly(flow, kGoldenRatio) < options_.hits;
    const std::vector<FlowScript>& scripts = hit ? part.selected : part.others;
    return scripts[base::mix(flow, kGoldenRatio) % scripts.size()];
}

}  // namespace yagura::bench
