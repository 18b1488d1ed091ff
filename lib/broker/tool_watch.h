// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "base/ids.h"
#include "rules/config.h"

namespace yagura::broker {

/// Which tools count as down. A tool is down from the first look that finds it so, for its packets are lost
/// meanwhile; and up again when it has been up for kSteady, so that flows do not follow a link that flaps.
/// One thread.
class ToolWatch {
  public:
    using Clock = std::chrono::steady_clock;
    static constexpr std::chrono::seconds kSteady{2};

    struct Change {
        base::ToolId tool;
        bool down;
    };
    /// `seen`: the tools that are down now, bit per ToolId. What has changed in down() by it.
    std::vector<Change> look(std::uint64_t seen, Clock::time_point now);
    std::uint64_t down() const { return down_; }

  private:
    std::uint64_t down_ = 0;
    std::array<Clock::time_point, base::kMaxTools> last_seen_down_{};  ///< of those that are down
};

/// The tools that get something which is this one's, in the groups of the configuration, while `down` are not
/// up; ascending. Empty: nobody stands in, or it is not down.
std::vector<base::ToolId> stand_ins(const rules::Config& config, base::ToolId tool, std::uint64_t down);

/// "ids1, ids2".
std::string tool_names(const rules::Config& config, const std::vector<base::ToolId>& tools);

}  // namespace yagura::broker
