// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <string>
#include <unordered_set>
#include <vector>

#include "app/alerts/verdict.h"

namespace yagura::alerts {

/// Verdicts of one call. The key names these verdicts, so it may be asked for again when it is not known
/// whether it was done.
struct Batch {
    std::vector<Verdict> verdicts;
    std::string key;
    std::chrono::steady_clock::time_point since;  ///< of the oldest
};

/// Verdicts that wait for yagura: bounded. When it is full the oldest goes, for that one's connection is the
/// most likely to have ended. The same thing asked for twice is done once.
class VerdictQueue {
  public:
    using Clock = std::chrono::steady_clock;
    /// As many as yagura takes in one call.
    static constexpr std::size_t kBatch = 1000;

    struct Counters {
        std::uint64_t taken = 0;
        std::uint64_t merged = 0;   ///< the same was waiting already
        std::uint64_t dropped = 0;  ///< no room
        std::uint64_t expired = 0;  ///< waited too long
    };

    /// `capacity`: verdicts, 1 at least. `max_age`: what has waited longer is not done any more: the ports of
    /// a connection may belong to another by then.
    VerdictQueue(std::size_t capacity, std::chrono::nanoseconds max_age)
        : capacity_(capacity), max_age_(max_age) {}

    void push(Verdict verdict, Clock::time_point now);
    /// The oldest, and others that can go into the same call; empty when nothing waits.
    Batch take(Clock::time_point now);
    /// Of a call that was not made, or not answered: the same call is the next. Takes no room away from
    /// others: it had it before.
    void put_back(Batch batch) { again_.push_back(std::move(batch)); }

    bool empty() const { return waiting_.empty() && again_.empty(); }
    bool full() const { return waiting_.size() >= capacity_; }
    const Counters& counters() const { return counters_; }
    /// Gives up what waits, and counts it as dropped.
    void clear();

  private:
    struct Waiting {
        Verdict verdict;
        Clock::time_point since;
    };

    void expire(Clock::time_point now);

    std::size_t capacity_;
    std::chrono::nanoseconds max_age_;
    std::deque<Waiting> waiting_;
    std::deque<Batch> again_;
    std::unordered_set<std::string> asked_;  ///< what waiting_ has
    Counters counters_;
};

}  // namespace yagura::alerts
