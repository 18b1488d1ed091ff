// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <chrono>
#include <cstdint>

namespace yagura::control {

/// How many records of a kind there may be: so many at once, and so many a second from then on. What is
/// beyond is counted, to be said in one record. It has no clock of its own.
class RecordBudget {
  public:
    using Clock = std::chrono::steady_clock;
    struct Limits {
        std::uint32_t at_once = 0;
        std::uint32_t per_second = 0;
        std::chrono::milliseconds said_after{0};  ///< the first that was left out
    };

    RecordBudget(const Limits& limits, Clock::time_point now);

    /// False: there is to be no record of this one. It was counted.
    [[nodiscard]] bool take(Clock::time_point now);
    /// Counts some that came to nobody's notice.
    void leave_out(std::uint64_t count, Clock::time_point now);
    /// How many were left out, once that is to be said: from then on they are forgotten. Else 0.
    std::uint64_t to_say(Clock::time_point now);
    /// Likewise, however soon.
    std::uint64_t to_say_at_last();
    /// It is as new: nothing is lost when another takes its place.
    bool is_fresh(Clock::time_point now) const;

  private:
    void fill(Clock::time_point now);

    Limits limits_;
    std::uint64_t thousandths_;  ///< of records that there may be
    Clock::time_point filled_;
    std::uint64_t left_out_ = 0;
    Clock::time_point since_{};  ///< when the first of these was
};

}  // namespace yagura::control
