// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <rte_cycles.h>

#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <vector>

#include "base/counter.h"
#include "base/ids.h"
#include "dataplane/stage.h"
#include "dataplane/token_bucket.h"
#include "dataplane/tool_queue.h"
#include "port/driver.h"

namespace yagura::dataplane {

/// Owns some tool ports: sends what the select lcores offer them, and counts what a tool could not take. A
/// tool that takes nothing loses its own copies and nobody else's. A tool with a limit (ToolQueue) gets no
/// more than its rate: the rest waits on its rings, and so does what its device does not take at the time;
/// who finds no room there is for FlowShedder to say.
class TxStage : public Stage {
  public:
    struct Tool {
        base::ToolId id;
        port::TxQueue* queue;
        std::vector<PacketRing*> inputs;  ///< one per select stage
        ToolQueue* limit = nullptr;       ///< of its inputs together; null: there is none
    };
    /// What rates are measured by.
    struct Ticks {
        std::uint64_t (*now)();
        std::uint64_t per_second;
    };
    static Ticks cpu_ticks() { return {&rte_rdtsc, rte_get_tsc_hz()}; }

    TxStage(std::vector<Tool> tools, unsigned burst, Ticks ticks = cpu_ticks());
    ~TxStage() override;  ///< frees what waits for a rate
    TxStage(const TxStage&) = delete;
    TxStage& operator=(const TxStage&) = delete;

    unsigned turn() override;
    /// What waits for a rate, or for a tool that takes nothing, has kLastSeconds left; what comes or waits
    /// then is shed. Any thread.
    void hurry() { hurry_.store(true, std::memory_order_relaxed); }
    static constexpr std::uint64_t kLastSeconds = 1;

    struct ToolCounters {
        base::PacketCounter sent;
        std::array<base::PacketCounter, port::kShedReasons> shed;  ///< by the queue's refusal() at the time
    };
    /// Its tools, and their counters by the same index.
    const std::vector<Tool>& tools() const { return tools_; }
    const ToolCounters& counters(std::size_t index) const { return counters_[index]; }

  private:
    /// Of a tool with a limit: the burst that was taken last, as far as it has not been sent.
    struct Pace {
        std::optional<TokenBucket> bucket;  ///< with a rate
        std::array<rte_mbuf*, kMaxBurst> waiting;
        unsigned first = 0;
        unsigned count = 0;
        std::size_t input = 0;  ///< whose turn it is
    };
    std::span<rte_mbuf*> send(std::size_t index, std::span<rte_mbuf*> burst);
    bool keeps(std::size_t index, bool late) const;
    unsigned send_paced(std::size_t index, Pace& pace, bool late);
    base::Count shed_too_large(std::size_t index, std::span<rte_mbuf*> burst, std::uint32_t largest);
    void shed(std::size_t index, std::span<rte_mbuf* const> packets, port::ShedReason reason);
    unsigned turn_of(std::size_t index);
    unsigned paced_turn_of(std::size_t index, Pace& pace);
    bool refill(std::size_t index, Pace& pace);
    bool is_late(std::uint64_t now);

    std::vector<Tool> tools_;
    std::vector<std::unique_ptr<Pace>> paces_;  ///< by tool; null without a limit
    Ticks ticks_;
    std::atomic<bool> hurry_{false};
    std::uint64_t last_tick_ = 0;  ///< after hurry()
    std::vector<ToolCounters> counters_;
    unsigned burst_;
};

}  // namespace yagura::dataplane
