// SPDX-License-Identifier: BSD-3-Clause
// SelectStage: what is offered to tools with a limit.
#include "dataplane/select_stage.h"

namespace yagura::dataplane {

static_assert(FlowShedder::kNoFlow == flow::FlowTable::kNone);

/// Tools (all with a limit) that do not take the flow's next packet.
std::uint64_t SelectStage::shed_of_flow(std::uint32_t index, std::uint64_t hash, std::uint64_t tools,
                                        std::uint32_t bytes, const base::Count& first,
                                        const select::Selector& selector) {
    const flow::FlowEntry& flow = flows_.entry(index);
    const auto priority_of = [&](base::ToolId tool) {
        return selector.priority(flow, tool, hash,
                                 [&](std::span<const match::RuleIndex> rules, std::uint64_t copies) {
                                     return reached(selector, rules, copies, hash, &flow);
                                 });
    };
    return tools & ~shedder_.take(index, tools, bytes, first, priority_of);
}

void SelectStage::offer_limited(rte_mbuf* packet, std::uint32_t index, std::uint64_t tools,
                                const select::Selector& selector) {
    const std::uint64_t limited = tools & limited_;
    const std::uint32_t size = rte_pktmbuf_pkt_len(packet);
    if (index == flow::FlowTable::kNone) {
        tools &= ~limited | shedder_.take_single(limited, size);
    } else {
        tools &= ~shed_of_flow(index, port::meta(packet).flow_hash, limited, size, {1, size}, selector);
    }
    if (tools != 0) {
        outlet_.offer({&packet, 1}, size, tools);
    } else {
        unwanted_[unwanted_count_++] = packet;
    }
}

void SelectStage::offer_run(const SettledRun& run) {
    for (unsigned place = run.first; place < run.first + run.packets; ++place)
        offer_limited(burst_->packets[place], candidates_[place], run.tools, *selector_);
}

/// Of the tools that a held packet is new to, those that do not take it: for them it is shed now. `first`:
/// all that is held of the flow from it on. What the packet says of itself is kept right.
std::uint64_t SelectStage::shed_held(flow::HeldPacket& held, std::uint32_t index, std::uint64_t hash,
                                     std::uint64_t fresh, const base::Count& first,
                                     const select::Selector& selector) {
    const std::uint64_t shed = shed_of_flow(index, hash, fresh & limited_, held.size, first, selector);
    if (shed == fresh && held.pending == 0 && held.in_ledger) {
        // Nobody will release it.
        SelectPortCounters& counters = port_counters_[held.port];
        counters.forwarded.add(1, held.size);
        counters.unparked.add(1, held.size);
        held.in_ledger = false;
    }
    return shed;
}

}  // namespace yagura::dataplane
