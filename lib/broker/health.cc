// SPDX-License-Identifier: BSD-3-Clause
#include "broker/health.h"

namespace yagura::broker {

void Health::look(const dataplane::Stats& stats, Clock::time_point now) {
    stalled_.clear();
    turns_.resize(stats.threads.size());
    for (std::size_t i = 0; i < turns_.size(); ++i) {
        const std::uint64_t turns = stats.threads[i].busy_turns + stats.threads[i].empty_turns;
        if (!looks_.empty() && turns == turns_[i]) stalled_.push_back(stats.threads[i].lcore);
        turns_[i] = turns;
    }
    looks_.push_back({.when = now, .lost = stats.lost()});
    while (looks_.size() > 1 && now - looks_[1].when >= kMemory) looks_.pop_front();
}

std::uint64_t Health::lost_lately(const dataplane::Stats& stats) const {
    return stats.lost() - (looks_.empty() ? 0 : looks_.front().lost);
}

}  // namespace yagura::broker
