// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>

#include "control/audit.h"
#include "control/record_budget.h"

namespace yagura::control {

/// What the audit log is told of connections and requests: each that has changed something; of the rest, by
/// user, as many as its budget allows, and how many more there were. So nobody turns the log over by what
/// costs him nothing. Memory is bounded. The control thread's.
class RequestRecords {
  public:
    using Clock = RecordBudget::Clock;
    enum class Kind : std::uint8_t {
        kRefused,   ///< or failed
        kAnswered,  ///< it has changed nothing
        kDone,      ///< it has
    };
    static constexpr RecordBudget::Limits kUsual{
        .at_once = 100, .per_second = 5, .said_after = std::chrono::seconds(10)};
    /// Users that have a budget of their own; others have one together.
    static constexpr std::size_t kMostUsers = 256;

    /// The sink outlives it. `limits`: of a user, and of each kind.
    RequestRecords(AuditSink& sink, const RecordBudget::Limits& limits) : sink_(sink), limits_(limits) {}

    /// `has_role`: its user has one. All who have none share one budget: they may be any number.
    void record(const AuditEvent& event, Kind kind, bool has_role, Clock::time_point now);
    /// Says what was left out, once it is time. Each turn.
    void tick(Clock::time_point now);
    /// Says it however soon: nothing more comes.
    void end();

  private:
    struct Budget {
        RecordBudget records;
        AuditEvent last{};  ///< that was left out
    };
    /// Of a user: by kind, but for what is always recorded.
    using Budgets = std::array<Budget, 2>;

    Budgets& budgets_of(std::optional<uid_t> user, Clock::time_point now);
    void say(std::optional<uid_t> user, Kind kind, Budget& budget, std::uint64_t count);

    AuditSink& sink_;
    RecordBudget::Limits limits_;
    std::map<std::optional<uid_t>, Budgets> users_;  ///< nothing: whoever has none of his own
    Clock::time_point next_look_{};
};

}  // namespace yagura::control
