// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <deque>
#include <functional>

#include "broker/live_run.h"
#include "broker/responses.h"
#include "control/json_rpc.h"
#include "dataplane/flow_question.h"

namespace yagura::broker {

/// Asks the select stages what they know of a flow, one question after the other. The control thread's; must
/// outlive the run's threads.
class FlowExplainer {
  public:
    using Done = std::function<void(const control::Outcome&)>;
    static constexpr std::size_t kMaxQuestions = 16;  ///< that wait
    static constexpr std::size_t kMaxFlows = 16;      ///< of one answer: the same ends in other VLANs

    /// Of the responses it asks who is blocked.
    FlowExplainer(LiveRun& run, const Responses& responses) : run_(run), responses_(responses) {}

    bool has_room() const { return questions_.size() < kMaxQuestions; }
    /// The flow between these ends, in either direction. Answers in go_on(): an error when there is none.
    void ask(const net::FlowKey& flow, Done done);
    /// Takes what has been answered and asks on. To be called often while busy().
    void go_on();
    bool busy() const { return !questions_.empty(); }

  private:
    struct Question {
        net::FlowKey flow;
        Done done;
    };
    void take();
    void finish();

    LiveRun& run_;
    const Responses& responses_;
    std::deque<Question> questions_;  ///< the first is being answered
    dataplane::FlowQuestion question_;
    bool asked_ = false;
    std::size_t select_ = 0;
    std::uint32_t index_ = 0;
    control::Json flows_;
};

}  // namespace yagura::broker
