// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <deque>
#include <functional>

#include "broker/live_run.h"
#include "control/json_rpc.h"
#include "dataplane/flow_page.h"

namespace yagura::broker {

/// The names of the tools of a mask, bit per ToolId, as JSON.
control::Json tool_names(const rules::Config& config, std::uint64_t tools);

/// Asks the select stages for their flows, one page after the other, one question after the other: the flow
/// tables stay their threads' own. The control thread's; must outlive the run's threads.
class FlowLister {
  public:
    using Done = std::function<void(const control::Outcome&)>;
    struct Question {
        dataplane::FlowFilter filter;
        std::uint64_t cursor = 0;
        std::size_t limit = 0;  ///< flows
        Done done;
    };
    static constexpr std::size_t kMaxQuestions = 16;  ///< that wait
    /// Entries that one question looks at. A filter that holds of few gets a short page with a cursor.
    static constexpr std::uint32_t kMaxLooks = 128 * dataplane::FlowPage::kLooks;

    explicit FlowLister(LiveRun& run) : run_(run) {}

    bool has_room() const { return questions_.size() < kMaxQuestions; }
    void ask(Question question);  ///< answers in go_on()
    /// Takes what has been answered and asks on. To be called often while busy().
    void go_on();
    bool busy() const { return !questions_.empty(); }

  private:
    void take_page();
    bool finished() const;

    LiveRun& run_;
    std::deque<Question> questions_;  ///< the first is being answered
    dataplane::FlowPage page_;
    bool asked_ = false;
    std::size_t select_ = 0;
    std::uint32_t index_ = 0;
    std::uint32_t looked_ = 0;
    control::Json flows_;
};

}  // namespace yagura::broker
