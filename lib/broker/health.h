// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <vector>

#include "dataplane/stats.h"
#include "rules/config.h"

namespace yagura::broker {

/// What the counters of a run say of its health over the last seconds. The control thread's.
class Health {
  public:
    using Clock = std::chrono::steady_clock;
    static constexpr std::chrono::seconds kPeriod{1};   ///< between two looks
    static constexpr std::chrono::seconds kMemory{10};  ///< that losses are remembered

    /// True when it is time to look again.
    bool due(Clock::time_point now) const { return looks_.empty() || now - looks_.back().when >= kPeriod; }
    void look(const dataplane::Stats& stats, const rules::Config& config, Clock::time_point now);

    /// What was lost in the last kMemory, at least, of what `stats` counts.
    struct Lately {
        std::uint64_t lost = 0;  ///< that nobody asked for
        std::uint64_t shed = 0;  ///< by tools beyond their `rate`, as they are meant to
    };
    Lately lately(const dataplane::Stats& stats, const rules::Config& config) const;
    /// Lcores whose loop has not come round between the last two looks.
    const std::vector<unsigned>& stalled() const { return stalled_; }

  private:
    struct Look {
        Clock::time_point when;
        Lately sums;  ///< since the start
    };
    std::deque<Look> looks_;
    std::vector<std::uint64_t> turns_;  ///< by thread, at the last look
    std::vector<unsigned> stalled_;
};

}  // namespace yagura::broker
