// SPDX-License-Identifier: BSD-3-Clause
#include "control/record_budget.h"

#include <algorithm>
#include <utility>

namespace yagura::control {
namespace {

constexpr std::uint64_t kOne = 1000;

}  // namespace

RecordBudget::RecordBudget(const Limits& limits, Clock::time_point now)
    : limits_(limits), thousandths_(kOne * limits.at_once), filled_(now) {}

void RecordBudget::fill(Clock::time_point now) {
    const auto passed = std::chrono::floor<std::chrono::milliseconds>(now - filled_);
    if (passed.count() <= 0) return;
    filled_ += passed;  // what is less than a millisecond counts next time
    // A record a second is a thousandth a millisecond.
    thousandths_ = std::min(thousandths_ + static_cast<std::uint64_t>(passed.count()) * limits_.per_second,
                            kOne * limits_.at_once);
}

bool RecordBudget::take(Clock::time_point now) {
    fill(now);
    if (thousandths_ < kOne) {
        leave_out(1, now);
        return false;
    }
    thousandths_ -= kOne;
    return true;
}

void RecordBudget::leave_out(std::uint64_t count, Clock::time_point now) {
    if (count == 0) return;
    if (left_out_ == 0) since_ = now;
    left_out_ += count;
}

std::uint64_t RecordBudget::to_say(Clock::time_point now) {
    if (left_out_ == 0 || now < since_ + limits_.said_after) return 0;
    return to_say_at_last();
}

std::uint64_t RecordBudget::to_say_at_last() {
    return std::exchange(left_out_, 0);
}

bool RecordBudget::is_fresh(Clock::time_point now) const {
    RecordBudget then(*this);
    then.fill(now);
    return left_out_ == 0 && then.thousandths_ == kOne * limits_.at_once;
}

}  // namespace yagura::control
