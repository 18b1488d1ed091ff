// SPDX-License-Identifier: BSD-3-Clause
#include "broker/health.h"

#include <algorithm>

#include "broker/live.h"

namespace yagura::broker {
namespace {

/// A tool that has been removed may have had a rate: nobody can be asked.
Health::Lately sums_of(const dataplane::Stats& stats, const rules::Config& config) {
    constexpr auto kFlowShed = static_cast<std::size_t>(port::ShedReason::kFlowShed);
    std::uint64_t shed = stats.removed_tools.shed[kFlowShed].packets;
    for (const rules::Port* tool : config.tool_ports()) {
        if (limit_of(*tool).rate != 0) shed += stats.tools[tool->place].shed[kFlowShed].packets;
    }
    return {.lost = stats.lost() - shed, .shed = shed};
}

}  // namespace

void Health::look(const dataplane::Stats& stats, const rules::Config& config, Clock::time_point now) {
    stalled_.clear();
    turns_.resize(stats.threads.size());
    for (std::size_t i = 0; i < turns_.size(); ++i) {
        const std::uint64_t turns = stats.threads[i].busy_turns + stats.threads[i].empty_turns;
        if (!looks_.empty() && turns == turns_[i]) stalled_.push_back(stats.threads[i].lcore);
        turns_[i] = turns;
    }
    looks_.push_back({.when = now, .sums = sums_of(stats, config)});
    while (looks_.size() > 1 && now - looks_[1].when >= kMemory) looks_.pop_front();
}

Health::Lately Health::lately(const dataplane::Stats& stats, const rules::Config& config) const {
    const Lately now = sums_of(stats, config);
    const Lately before = looks_.empty() ? Lately{} : looks_.front().sums;
    // What a removed tool has lost changes sides.
    return {.lost = now.lost - std::min(now.lost, before.lost),
            .shed = now.shed - std::min(now.shed, before.shed)};
}

}  // namespace yagura::broker
