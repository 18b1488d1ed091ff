// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <algorithm>
#include <cstdint>

namespace yagura::reset {

/// So many frames per second, and no more at once than a burst. Full at first. Time in ns; a clock that goes
/// back brings nothing. Belongs to one thread.
class FrameBudget {
  public:
    FrameBudget() = default;
    /// `per_second`: 1 to 10^9. `burst`: at least 1.
    FrameBudget(std::uint32_t per_second, std::uint32_t burst, std::uint64_t now)
        : interval_(kSecond / per_second), capacity_(interval_ * burst), level_(capacity_), last_(now) {}

    [[nodiscard]] bool take(std::uint64_t now) {
        if (now > last_) {
            level_ = std::min(capacity_, level_ + std::min(now - last_, capacity_));
            last_ = now;
        }
        if (level_ < interval_) return false;
        level_ -= interval_;
        return true;
    }

  private:
    static constexpr std::uint64_t kSecond = 1'000'000'000;
    std::uint64_t interval_ = kSecond;  ///< ns that one frame costs
    std::uint64_t capacity_ = 0;
    std::uint64_t level_ = 0;
    std::uint64_t last_ = 0;
};

}  // namespace yagura::reset
