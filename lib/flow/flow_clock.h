// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <algorithm>
#include <cstdint>

namespace yagura::flow {

/// Time stamps in 32 bits: ticks of 2^27 ns (134 ms) from a base of its own. The highest time stamp so far is
/// its present; it never goes back.
///
/// A base lasts for 18 years. A stamp beyond that moves it, so that the stamp comes to lie 9 years after it:
/// who keeps ticks has to move them by the same (moved_by), those before the new base to 0. Then nothing that
/// is old looks fresh, however far the clock jumps; and as it does not go back, it can happen 64 times.
class FlowClock {
  public:
    static constexpr unsigned kTickShift = 27;
    /// Ticks that a duration lasts at most: so many ticks apart, two stamps are that far apart or further. No
    /// more than kLongest.
    static constexpr std::uint32_t ticks(std::uint64_t duration_ns) {
        const std::uint64_t whole = duration_ns >> kTickShift;
        const bool more = (duration_ns & ((std::uint64_t{1} << kTickShift) - 1)) != 0;
        return static_cast<std::uint32_t>(std::min<std::uint64_t>(whole + (more ? 1 : 0), kLongest));
    }
    /// 4.5 years.
    static constexpr std::uint32_t kLongest = 1u << 30;

    /// False when the base has to move for this stamp.
    bool reaches(std::uint64_t now_ns) const { return (now_ns >> kTickShift) < base_ + kSpan; }
    /// Moves the base for a stamp beyond its reach, and says by how many ticks.
    std::uint64_t move_base(std::uint64_t now_ns) {
        const std::uint64_t before = base_;
        base_ = (now_ns >> kTickShift) - kSpan / 2;
        const std::uint64_t moved = base_ - before;
        present_ = moved_by(present_, moved);
        return moved;
    }
    static std::uint32_t moved_by(std::uint32_t tick, std::uint64_t moved) {
        return tick >= moved ? static_cast<std::uint32_t>(tick - moved) : 0;
    }

    /// The present is the tick of this stamp.
    bool is_present(std::uint64_t now_ns) const { return now_ns >> kTickShift == base_ + present_; }
    /// The tick of a stamp within reach, and the present if it is later. A stamp before the base is no time
    /// at all: it counts as the present.
    std::uint32_t take(std::uint64_t now_ns) {
        const std::uint64_t absolute = now_ns >> kTickShift;
        if (absolute < base_) [[unlikely]]
            return present_;
        const auto tick = static_cast<std::uint32_t>(absolute - base_);
        present_ = std::max(present_, tick);
        return tick;
    }
    std::uint32_t present() const { return present_; }

  private:
    static constexpr std::uint64_t kSpan = std::uint64_t{1} << 32;
    std::uint64_t base_ = 0;
    std::uint32_t present_ = 0;
};

}  // namespace yagura::flow
