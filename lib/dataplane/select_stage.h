// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <vector>

#include "base/counter.h"
#include "dataplane/stage.h"
#include "flow/flow_table.h"
#include "port/packet.h"
#include "select/selector.h"

namespace yagura::dataplane {

/// Owns the flows that are steered to it: looks each packet's flow up, asks the policy, and offers the packet
/// to the tools of the verdict. Several tools share one packet by reference count; what nobody gets is freed
/// in bulk.
class SelectStage : public Stage {
  public:
    struct Options {
        std::vector<PacketRing*> inputs;  ///< one per rx stage
        std::vector<PacketRing*> tools;   ///< one per tool port, by ToolId
        std::size_t ports;
        unsigned burst;
        Pressure pressure;
        std::uint32_t flows;  ///< capacity
        bool keep_details;    ///< fill FlowDetails
    };
    /// `selector` stays with the caller, until another is published and this thread has been quiescent since.
    SelectStage(Options options, select::Selector* selector);

    unsigned turn() override;

    /// The next turn goes by this selector. Control thread.
    void publish(select::Selector* selector) { next_selector_.store(selector, std::memory_order_release); }

    struct PortCounters {
        base::PacketCounter taken;
        base::PacketCounter forwarded;
        std::array<base::PacketCounter, select::kDropReasons> dropped;
    };
    struct ToolCounters {
        base::PacketCounter offered;
        base::PacketCounter shed;  ///< ring_full
        base::Counter flows;       ///< that had a packet offered (with keep_details)
    };
    const PortCounters& counters(base::PortId port) const { return port_counters_[port.index()]; }
    const ToolCounters& counters(base::ToolId tool) const { return tool_counters_[tool.index()]; }
    /// Packets whose flow found no room in the table.
    std::uint64_t untracked() const { return untracked_.get(); }

    /// Only while the thread does not run.
    const flow::FlowTable& flows() const { return flows_; }

  private:
    bool tools_have_room() const;
    void handle(std::span<rte_mbuf* const> burst);
    std::uint64_t select_one(rte_mbuf* packet);
    void count_flow(flow::FlowDetails& details, const port::PacketMeta& m, std::uint32_t captured,
                    bool inserted, std::uint64_t tools);
    void offer(rte_mbuf* packet, std::uint64_t tools);
    void flush_tools();

    Options options_;
    select::Selector* selector_;
    std::atomic<select::Selector*> next_selector_;
    flow::FlowTable flows_;
    std::vector<PortCounters> port_counters_;
    std::vector<ToolCounters> tool_counters_;
    base::Counter untracked_;
    std::unique_ptr<port::FrameBuffer> buffer_;
    struct Outgoing {
        std::array<rte_mbuf*, kMaxBurst> packets;
        unsigned count = 0;
    };
    std::vector<Outgoing> outgoing_;  ///< by tool
};

}  // namespace yagura::dataplane
