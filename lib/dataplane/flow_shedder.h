// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/counter.h"
#include "base/ids.h"
#include "base/zeroed_array.h"
#include "dataplane/admission.h"
#include "dataplane/tool_queue.h"

namespace yagura::dataplane {

/// Sheds whole flows of one select lcore that tools with a limit cannot take: a flow that a tool has refused
/// is refused by it to its end. Nothing is asked of packets that go to other tools alone. Owned by the
/// lcore's thread; counters may be read by any.
class FlowShedder {
  public:
    static constexpr std::uint32_t kNoFlow = 0xffffffff;

    /// Flows have an index below `flows`. Takes memory when a tool with a limit comes. Throws std::bad_alloc.
    FlowShedder(std::size_t lane, std::uint32_t flows);

    /// What is kept for a tool with a limit.
    class Tool {
      public:
        Tool(ToolQueue& queue, std::size_t lane, std::uint32_t flows)
            : admission_(queue, lane), states_(flows) {}

      private:
        friend FlowShedder;
        Admission admission_;
        base::ZeroedArray<std::uint8_t> states_;  ///< by flow
    };
    /// Made beforehand, for set_tool(). Any thread. Throws std::bad_alloc.
    std::unique_ptr<Tool> make_tool(ToolQueue& queue) const {
        return std::make_unique<Tool>(queue, lane_, flows_);
    }
    /// From now on the tool has this limit; null: none. `tool` is exchanged for what was there. What is
    /// counted goes on.
    void set_tool(base::ToolId id, std::unique_ptr<Tool>& tool) noexcept;

    /// Bit per tool that has a limit.
    std::uint64_t limited() const { return limited_; }
    /// Before the packets of a burst. `now_ns`: the latest PacketMeta::order_time.
    void look(std::uint64_t now_ns) {
        for (std::uint64_t rest = limited_; rest != 0; rest &= rest - 1) at(rest).admission_.look(now_ns);
    }
    /// A new flow has this index.
    void forget(std::uint32_t index);

    /// Of `tools`, which all have a limit, those that take the next packet of the flow. The others' is
    /// counted as offered and shed. `first`: all that the flow is about to be offered at once, from this
    /// packet on. `priority_of`: the flow's priority for a tool that it is new to.
    template <class PriorityOf>
    std::uint64_t take(std::uint32_t index, std::uint64_t tools, std::uint32_t bytes,
                       const base::Count& first, PriorityOf&& priority_of) {
        std::uint64_t taken = 0;
        for (std::uint64_t rest = tools; rest != 0; rest &= rest - 1) {
            const base::ToolId id{static_cast<std::uint8_t>(std::countr_zero(rest))};
            if (at(rest).states_[index] == kNew) [[unlikely]]
                begin(index, id, priority_of(id), first);
            if (goes(index, id, bytes)) taken |= rest & -rest;
        }
        return taken;
    }
    /// The same of a packet without a flow, or whose flow has no index.
    std::uint64_t take_single(std::uint64_t tools, std::uint32_t bytes);

    struct ToolCounters {
        base::PacketCounter shed;  ///< flow_shed
        base::Counter flows_shed;  ///< that got nothing
        base::Counter flows_cut;   ///< that got their beginning
    };
    const ToolCounters& counters(base::ToolId tool) const { return counters_[tool.index()]; }

    struct Shed {
        std::uint64_t all = 0;  ///< bit per tool that has refused the flow
        std::uint64_t cut = 0;  ///< of these: not from its first packet on
    };
    Shed shed(std::uint32_t index) const;

  private:
    /// What a tool has made of a flow; admitted: kAdmitted and the priority.
    enum State : std::uint8_t { kNew = 0, kRefused = 1, kCut = 2, kAdmitted = 0x80 };
    /// The tool of the lowest bit.
    Tool& at(std::uint64_t tools) { return *tools_[static_cast<std::size_t>(std::countr_zero(tools))]; }
    void begin(std::uint32_t index, base::ToolId id, unsigned priority, const base::Count& first);
    bool goes(std::uint32_t index, base::ToolId id, std::uint32_t bytes);

    std::size_t lane_;
    std::uint32_t flows_;
    std::uint64_t limited_ = 0;
    std::array<std::unique_ptr<Tool>, base::kMaxTools> tools_;  ///< by ToolId; null without a limit
    std::array<ToolCounters, base::kMaxTools> counters_;        ///< by ToolId
    base::ZeroedArray<Admission::Begin> begins_;                ///< by flow that some tool has admitted
    std::uint32_t newest_ = 0;                                  ///< highest number
};

}  // namespace yagura::dataplane
