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
    /// An equal share of it, where so many have one. `per_second`: 1 to 10^9. `burst`: of this share, at
    /// least 1.
    FrameBudget(std::uint32_t per_second, std::uint32_t burst, std::uint64_t now, std::uint64_t shares = 1)
        : interval_(static_cast<std::int64_t>((kSecond * shares + per_second - 1) / per_second)),
          capacity_(interval_ * burst),
          level_(capacity_),
          last_(now) {}

    /// Frames that go together, all of them when there is room for one: what they are too many is owed, so
    /// that whoever needs two is not starved by those who need one.
    [[nodiscard]] bool take(std::uint64_t now, std::uint32_t frames = 1) {
        if (now > last_) {
            const auto most = static_cast<std::uint64_t>(capacity_ - level_);
            level_ += static_cast<std::int64_t>(std::min(now - last_, most));
            last_ = now;
        }
        if (level_ < interval_) return false;
        level_ -= interval_ * frames;
        return true;
    }

  private:
    static constexpr std::uint64_t kSecond = 1'000'000'000;
    std::int64_t interval_ = kSecond;  ///< ns that one frame costs
    std::int64_t capacity_ = 0;
    std::int64_t level_ = 0;  ///< below 0: owed
    std::uint64_t last_ = 0;
};

}  // namespace yagura::reset
