// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <vector>

#include "base/counter.h"
#include "base/ids.h"
#include "dataplane/stage.h"
#include "port/driver.h"

namespace yagura::dataplane {

/// Owns some tool ports: sends what the select lcores offer them, and counts what a tool could not take. A
/// tool that takes nothing loses its own copies and nobody else's.
class TxStage : public Stage {
  public:
    struct Tool {
        base::ToolId id;
        port::TxQueue* queue;
        std::vector<PacketRing*> inputs;  ///< one per select stage
    };
    TxStage(std::vector<Tool> tools, unsigned burst)
        : tools_(std::move(tools)), counters_(tools_.size()), burst_(burst) {}

    unsigned turn() override;

    struct ToolCounters {
        base::PacketCounter sent;
        std::array<base::PacketCounter, port::kShedReasons> shed;  ///< by the queue's refusal() at the time
    };
    /// Its tools, and their counters by the same index.
    const std::vector<Tool>& tools() const { return tools_; }
    const ToolCounters& counters(std::size_t index) const { return counters_[index]; }

  private:
    void send(std::size_t index, std::span<rte_mbuf* const> burst);

    std::vector<Tool> tools_;
    std::vector<ToolCounters> counters_;
    unsigned burst_;
};

}  // namespace yagura::dataplane
