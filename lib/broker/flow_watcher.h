// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "broker/live_run.h"
#include "control/json_rpc.h"
#include "dataplane/flow_draws.h"

namespace yagura::broker {

/// Finds the busiest flows: while somebody asks, the select stages draw packets by lot, and from what they
/// have drawn in a window of time the rates are estimated. When nobody has asked for a while they stop, and
/// the memory is given back. However many ask, there is one window at a time. The control thread's; must
/// outlive the run's threads.
class FlowWatcher {
  public:
    using Done = std::function<void(const control::Outcome&)>;
    enum class Order : std::uint8_t { kBytes, kPackets };
    struct Question {
        Order order = Order::kBytes;
        std::size_t limit = 0;  ///< flows, kMostFlows at most
        Done done;
    };
    static constexpr std::size_t kMaxQuestions = 64;  ///< that wait
    static constexpr std::size_t kMostFlows = 100;
    static constexpr std::chrono::milliseconds kWindow{1000};
    static constexpr std::chrono::milliseconds kLinger{5000};  ///< goes on so long after the last question

    explicit FlowWatcher(LiveRun& run) : run_(run) {}

    bool has_room() const { return questions_.size() < kMaxQuestions; }
    /// Answers in go_on(): at once by the last window when there is one, else at the end of the first.
    void ask(Question question);
    void go_on();
    /// Some stage has been asked for something, and go_on() is to be called soon.
    bool busy() const { return phase_ == Phase::kExchanging; }

  private:
    using Clock = std::chrono::steady_clock;
    enum class Phase : std::uint8_t { kIdle, kDrawing, kExchanging };
    /// What belongs to one select stage.
    struct Stage {
        std::unique_ptr<dataplane::FlowDraws> drawing;  ///< the stage's, while it draws
        std::unique_ptr<dataplane::FlowDraws> spare;    ///< ours
        dataplane::DrawsExchange exchange;
        bool asked = false;
        std::uint32_t one_in = 1;
    };
    struct Flow {
        net::FlowKey key;
        std::size_t select = 0;
        std::uint64_t tools = 0;
        bool current = false;
        std::uint64_t draws = 0;
        double packets_per_second = 0;
        double bytes_per_second = 0;
    };
    /// What was seen in the last window.
    struct Picture {
        double window_ms = 0;
        std::uint64_t packets = 0;
        std::uint64_t drawn = 0;
        std::uint64_t version = 0;  ///< of the configuration: numbers of tools are of this one
        std::vector<Flow> by_bytes;
        std::vector<Flow> by_packets;
    };

    void exchange(bool go_on);
    bool exchanged();
    void count(std::size_t select, const dataplane::FlowDraws& draws, std::vector<Flow>& flows);
    void take_picture();
    control::Json answer(const Question& question) const;
    void answer_all();

    LiveRun& run_;
    std::deque<Question> questions_;
    std::vector<std::unique_ptr<Stage>> stages_;
    Phase phase_ = Phase::kIdle;
    bool goes_on_ = false;  ///< after this exchange the stages draw
    Clock::time_point asked_at_;
    Clock::time_point window_ends_;
    std::uint64_t seed_ = 0;
    std::unique_ptr<Picture> picture_;
};

}  // namespace yagura::broker
