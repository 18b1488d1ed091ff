// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <vector>

#include "base/counter.h"
#include "base/ids.h"
#include "dataplane/stage.h"
#include "net/flow_identity.h"
#include "port/driver.h"

namespace yagura::dataplane {

/// Listens to the tools: what they send into their own ports. A RST or an ICMP "unreachable" is a verdict on
/// its flow (reset::tool_verdict), and goes to the flow's select lcore; anything else is counted and freed. A
/// tool that floods loses its own verdicts.
class FeedbackStage : public Stage {
  public:
    struct Options {
        std::vector<PacketRing*> outputs;  ///< one per select lcore
        unsigned burst;
        std::uint64_t hash_seed;
        net::FlowIdentity flow_identity;
    };
    explicit FeedbackStage(Options options) : options_(std::move(options)) {}

    unsigned turn() override;

    /// Null: the tool is not listened to. Its own thread's, between two turns.
    void set_tool(base::ToolId tool, port::RxQueue* queue) noexcept;

    struct ToolCounters {
        base::Counter received;   ///< frames: passed on + ignored + ring_full
        base::Counter ignored;    ///< no verdict
        base::Counter ring_full;  ///< more verdicts than could be passed on
    };
    const ToolCounters& counters(base::ToolId tool) const { return counters_[tool.index()]; }

  private:
    unsigned listen(std::size_t tool);

    Options options_;
    std::array<port::RxQueue*, base::kMaxTools> queues_{};  ///< by ToolId
    std::size_t tools_ = 0;                                 ///< those from here on are null
    std::array<ToolCounters, base::kMaxTools> counters_;
};

}  // namespace yagura::dataplane
