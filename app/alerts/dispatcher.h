// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <poll.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/alerts/verdict_queue.h"
#include "app/client/session.h"

namespace yagura::alerts {

/// Takes verdicts to a running yagura, some calls at a time, each on a connection of its own: a connection
/// that takes long to be cut does not hold up others. Waits at most a second for a socket that is there and
/// not answering; for one thread.
class Dispatcher {
  public:
    using Clock = std::chrono::steady_clock;
    /// Calls at a time.
    static constexpr std::size_t kLanes = 4;

    /// What became of a verdict. `done`: it was carried out. `details` are for people.
    struct Result {
        const Verdict& verdict;
        std::string outcome;
        std::string details;
        bool done = false;
    };
    /// `tell`: what became of each verdict. `complain`: words about the connection, when they change.
    struct Listener {
        std::function<void(const Result&)> tell;
        std::function<void(const std::string&)> complain;
    };

    /// The queue outlives it.
    Dispatcher(std::string socket, VerdictQueue& queue, Listener listener);

    /// Takes answers that have come, and sends what waits, as far as yagura can be reached.
    void turn(Clock::time_point now);
    void add_to(std::vector<pollfd>& polled) const;
    /// When turn() has something to do again without any descriptor's telling; nothing when never.
    std::optional<Clock::time_point> next_turn() const;
    /// No call is on its way.
    bool idle() const;
    /// How many connections have failed or been lost since the last answer.
    unsigned failures() const { return failures_; }
    /// Of verdicts whose call was not answered when this ends.
    std::uint64_t unanswered() const;

  private:
    struct Lane {
        std::unique_ptr<client::Session> session;
        std::optional<Batch> batch;
        int id = 0;
        Clock::time_point until;  ///< an answer is not waited for longer
    };

    void send(Lane& lane, Batch batch, Clock::time_point now);
    void receive(Lane& lane, Clock::time_point now);
    void take_answer(Lane& lane, const client::Json& message, Clock::time_point now);
    void take_results(const Batch& batch, const client::Json& results);
    /// Nothing of it is done. True when the rest of it can be asked for again.
    void take_error(Batch batch, const client::Json& error, Clock::time_point now);
    void lose(Lane& lane, const std::string& why, Clock::time_point now);
    void back_off(Clock::time_point now);
    void answered();

    std::string socket_;
    VerdictQueue& queue_;
    Listener listener_;
    std::vector<Lane> lanes_;
    std::string why_unreachable_;  ///< empty while it is not known to be
    unsigned failures_ = 0;
    Clock::time_point next_try_{};
    std::chrono::milliseconds pause_;
};

}  // namespace yagura::alerts
