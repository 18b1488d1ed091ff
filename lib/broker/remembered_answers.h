// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <sys/types.h>

#include <chrono>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <variant>

#include "control/json_rpc.h"

namespace yagura::broker {

/// Answers to calls that bear an idempotency key: whoever asks again, because he does not know whether he was
/// heard, gets what he got, and nothing is done twice. Of each user by himself; for ten minutes, and the last
/// kMost at most. The control thread's.
class RememberedAnswers {
  public:
    using Clock = std::chrono::steady_clock;
    static constexpr std::size_t kMost = 4096;
    static constexpr std::size_t kMostItems = 100'000;  ///< results in all answers
    static constexpr std::chrono::minutes kKept{10};

    using Key = std::tuple<uid_t, std::string, std::string>;  ///< user, method, idempotency key
    struct Unknown {};
    struct Running {};    ///< it was asked before, and is not answered yet
    struct Different {};  ///< something else was asked with this key
    /// What there is of this key; an answer has "repeated": true. `what`: a digest of all that is asked.
    std::variant<Unknown, Running, Different, control::Json> find(const Key& key, std::size_t what,
                                                                  Clock::time_point now);
    /// It has been asked and will be answered. With find() Unknown.
    void begin(const Key& key, std::size_t what, Clock::time_point now);
    /// What was answered; an error is not remembered, so that it can be tried again.
    void end(const Key& key, const control::Outcome& outcome);

  private:
    void forget(Clock::time_point now);

    struct Entry {
        std::optional<control::Json> answer{};
        std::size_t what = 0;
        std::size_t items = 0;  ///< results in the answer
        Clock::time_point asked;
    };
    std::map<Key, Entry> entries_;
    std::deque<std::pair<Clock::time_point, Key>> by_age_;
    std::size_t items_ = 0;
};

}  // namespace yagura::broker
