// SPDX-License-Identifier: BSD-3-Clause
#include "control/record_budget.h"

#include <catch2/catch.hpp>

namespace yagura::control {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr RecordBudget::Limits kLimits{.at_once = 3, .per_second = 2, .said_after = milliseconds(700)};

unsigned taken(RecordBudget& budget, RecordBudget::Clock::time_point now, unsigned wanted) {
    unsigned count = 0;
    for (unsigned i = 0; i < wanted; ++i) count += budget.take(now) ? 1 : 0;
    return count;
}

TEST_CASE("so many at once, then so many a second, and never more at once") {
    RecordBudget::Clock::time_point now{};
    RecordBudget budget(kLimits, now);
    CHECK(taken(budget, now, 10) == 3);
    now += milliseconds(499);
    CHECK(taken(budget, now, 10) == 0);
    now += milliseconds(1);
    CHECK(taken(budget, now, 10) == 1);
    now += std::chrono::hours(1);
    CHECK(taken(budget, now, 10) == 3);
    // However often it is asked.
    for (int i = 0; i < 500 * 10; ++i) {
        now += microseconds(100);
        CHECK(budget.take(now) == (i == 500 * 10 - 1));
    }
}

TEST_CASE("what was left out is said once, some time after the first") {
    RecordBudget::Clock::time_point now{};
    RecordBudget budget(kLimits, now);
    CHECK(budget.is_fresh(now));
    CHECK(budget.to_say(now + std::chrono::hours(1)) == 0);
    taken(budget, now, 5);
    CHECK(budget.to_say(now) == 0);
    now += milliseconds(400);
    budget.leave_out(7, now);
    now += milliseconds(300);
    CHECK_FALSE(budget.is_fresh(now));
    CHECK(budget.to_say(now) == 9);
    CHECK(budget.to_say(now + std::chrono::hours(1)) == 0);
    budget.leave_out(0, now);
    CHECK(budget.is_fresh(now + std::chrono::hours(1)));
    budget.leave_out(2, now);
    CHECK(budget.to_say_at_last() == 2);
    CHECK(budget.to_say_at_last() == 0);
}

}  // namespace
}  // namespace yagura::control
