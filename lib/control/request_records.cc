// SPDX-License-Identifier: BSD-3-Clause
#include "control/request_records.h"

#include <fmt/format.h>

#include <utility>

namespace yagura::control {
namespace {

/// Between two looks at who has something left out.
constexpr auto kBetweenLooks = std::chrono::milliseconds(100);

}  // namespace

RequestRecords::Budgets& RequestRecords::budgets_of(std::optional<uid_t> user, Clock::time_point now) {
    if (user && users_.size() >= kMostUsers && !users_.contains(user)) {
        std::erase_if(users_, [now](const auto& entry) {
            return entry.second[0].records.is_fresh(now) && entry.second[1].records.is_fresh(now);
        });
        if (users_.size() >= kMostUsers) user.reset();
    }
    if (const auto found = users_.find(user); found != users_.end()) return found->second;
    const RecordBudget fresh(limits_, now);
    return users_.emplace(user, Budgets{Budget{fresh}, Budget{fresh}}).first->second;
}

void RequestRecords::record(const AuditEvent& event, Kind kind, bool has_role, Clock::time_point now) {
    if (kind == Kind::kDone) return sink_.record(event);
    Budgets& budgets = budgets_of(has_role ? std::optional(event.uid) : std::nullopt, now);
    Budget& budget = budgets[static_cast<std::size_t>(kind)];
    if (budget.records.take(now)) return sink_.record(event);
    budget.last = event;
}

void RequestRecords::tick(Clock::time_point now) {
    if (now < next_look_) return;
    next_look_ = now + kBetweenLooks;
    for (auto& [user, budgets] : users_) {
        for (const Kind kind : {Kind::kRefused, Kind::kAnswered}) {
            Budget& budget = budgets[static_cast<std::size_t>(kind)];
            if (const std::uint64_t count = budget.records.to_say(now)) say(user, kind, budget, count);
        }
    }
}

void RequestRecords::end() {
    for (auto& [user, budgets] : users_) {
        for (const Kind kind : {Kind::kRefused, Kind::kAnswered}) {
            Budget& budget = budgets[static_cast<std::size_t>(kind)];
            if (const std::uint64_t count = budget.records.to_say_at_last()) say(user, kind, budget, count);
        }
    }
}

/// As a record of the last one: who that was is known.
void RequestRecords::say(std::optional<uid_t> user, Kind kind, Budget& budget, std::uint64_t count) {
    AuditEvent event = std::exchange(budget.last, {});
    const std::string whose = user ? fmt::format("uid {}", *user) : "users without a role";
    event.object = fmt::format("of {}, the last: {}{}{}", whose, event.action,
                               event.object.empty() ? "" : " ", event.object);
    event.action = "requests";
    event.outcome = kind == Kind::kRefused
                        ? fmt::format("{} more were refused or failed; the last: {}", count, event.outcome)
                        : fmt::format("{} more were answered, and changed nothing", count);
    event.allowed = kind == Kind::kAnswered;
    sink_.record(event);
}

}  // namespace yagura::control
