// SPDX-License-Identifier: BSD-3-Clause
// Pipeline: the sums of what its stages count.
#include "dataplane/pipeline.h"

namespace yagura::dataplane {

/// What is counted from the start on, whatever policies come and go.
void Pipeline::add_counters(const select::Selector& selector, Stats& stats) {
    stats.decision_overflows += selector.decision_overflows();
    stats.uninspected += selector.uninspected();
    stats.let_go += selector.let_go();
    stats.incomplete += selector.incomplete();
    stats.streams.add(selector.inspector().counters());
}

PortSums Pipeline::port_sums(base::PortId id) const {
    PortSums sums = ledger_.closed(id);
    // Downstream first: then a packet that moves meanwhile counts as in flight, not as one too many.
    for (const auto& select : select_) {
        const SelectPortCounters& counters = select->counters(id);
        sums.unparked += counters.unparked.get();
        sums.forwarded += counters.forwarded.get();
        for (std::size_t r = 0; r < sums.dropped.size(); ++r) sums.dropped[r] += counters.dropped[r].get();
        sums.parked += counters.parked.get();
        sums.taken += counters.taken.get();
    }
    for (const Source& source : sources_) sums += sums_of(source, id);
    return sums;
}

/// What a source has received of a port.
PortSums Pipeline::sums_of(const Source& source, base::PortId id) {
    PortSums sums;
    const RxStage::PortCounters& counters = source.stage->counters(id);
    const base::Count lost = counters.dropped.get();
    const base::Count truncated = source.queue->truncated(id);
    sums.dropped[static_cast<std::size_t>(select::DropReason::kSelectRingFull)] = lost;
    sums.dropped[static_cast<std::size_t>(select::DropReason::kTruncated)] = truncated;
    sums.handed = counters.handed.get() - lost;
    sums.received = counters.received.get() + truncated;
    sums.missed = source.queue->missed(id);
    return sums;
}

ToolSums Pipeline::tool_sums(base::ToolId id) const {
    ToolSums sums = ledger_.closed(id);
    if (const Outlet* outlet = outlets_[id.index()].get(); outlet != nullptr) {
        const base::Count lost = running_ && outlet->stage != nullptr ? base::Count{} : outlet->queue->lost();
        if (outlet->stage != nullptr) sums += sums_of(*outlet->stage);
        sums.sent = sums.sent - lost;
        sums.shed[static_cast<std::size_t>(outlet->queue->loss())] += lost;
    }
    for (const auto& select : select_) {
        const ToolOutlet::ToolCounters& counters = select->counters(id);
        sums.shed[static_cast<std::size_t>(port::ShedReason::kRingFull)] += counters.shed.get();
        sums.shed[static_cast<std::size_t>(port::ShedReason::kNoBuffer)] += counters.unreleased.get();
        sums.offered += counters.offered.get();
        const FlowShedder::ToolCounters& by_flow = select->shedder().counters(id);
        const base::Count shed = by_flow.shed.get();
        sums.shed[static_cast<std::size_t>(port::ShedReason::kFlowShed)] += shed;
        sums.offered += shed;
        sums.flows_shed += by_flow.flows_shed.get();
        sums.flows_cut += by_flow.flows_cut.get();
    }
    sums.flows += gone_flows_[id.index()];
    for (const auto* all : {&selectors_, &old_selectors_}) {
        for (const auto& selector : *all) sums.flows += selector->tool_flows(id);
    }
    return sums;
}

/// Of the only tool of a stage.
ToolSums Pipeline::sums_of(const TxStage& stage) {
    ToolSums sums;
    sums.sent = stage.counters(0).sent.get();
    for (std::size_t r = 0; r < sums.shed.size(); ++r) sums.shed[r] = stage.counters(0).shed[r].get();
    return sums;
}

Stats Pipeline::stats() const {
    Stats stats = gone_;
    stats.removed_ports = ledger_.removed_ports();
    stats.removed_tools = ledger_.removed_tools();
    for (std::size_t i = 0; i < ledger_.ports(); ++i) {
        const base::PortId id{static_cast<std::uint16_t>(i)};
        const Ledger::Place place = ledger_.port(id);
        if (place == Ledger::Place::kFree) continue;
        const PortSums sums = port_sums(id);
        base::Count waiting;
        for (const Source& source : sources_) waiting += source.stage->fragments().waiting(id);
        const PortStats port = ledger_.since(id, sums).to_stats(waiting);
        if (place == Ledger::Place::kLeft) {
            stats.removed_ports += port;
        } else {
            stats.ports.resize(i + 1);
            stats.ports[i] = port;
        }
    }
    for (std::size_t i = 0; i < outlets_.size(); ++i) {
        const base::ToolId id{static_cast<std::uint8_t>(i)};
        const Ledger::Place place = ledger_.tool(id);
        if (place == Ledger::Place::kFree) continue;
        const ToolStats tool = ledger_.since(id, tool_sums(id));
        if (place == Ledger::Place::kLeft) {
            stats.removed_tools += tool;
        } else {
            stats.tools.resize(i + 1);
            stats.tools[i] = tool;
        }
    }
    add_response(stats);
    std::vector<select::DecisionTable::RuleCount> rules(options_.policy->actions.size());
    for (const auto& selector : selectors_) selector->add_to(rules);
    for (const auto* all : {&selectors_, &old_selectors_}) {
        for (const auto& selector : *all) {
            add_counters(*selector, stats);
            stats.inspected += selector->inspections().count();
        }
    }
    for (const auto& selector : old_selectors_) stats.inspected_before += selector->inspections().count();
    for (const auto& rule : rules) stats.rules.push_back({rule.count, rule.flows});
    for (const auto& thread : threads_) {
        const PollThread::Turns turns = thread->turns();
        stats.threads.push_back({.lcore = thread->lcore(),
                                 .busy_turns = turns.busy,
                                 .empty_turns = turns.empty,
                                 .packets = turns.packets,
                                 .cycles = thread->cycles()});
    }
    for (const auto& lane : lanes_) {
        for (const auto& ring : lane->rings) stats.on_select_rings += ring->count();
    }
    for (const auto& outlet : outlets_) {
        if (outlet == nullptr) continue;
        for (const auto& ring : outlet->rings) stats.on_tool_rings += ring->count();
    }
    for (const auto& select : select_) {
        const SelectStage::FlowCounters& flows = select->flow_counters();
        stats.untracked += flows.untracked.get();
        stats.hold_refused += flows.hold_refused.get();
        stats.flows += select->flows().size();
        stats.evicted += flows.evicted.get();
        stats.held_blocks += select->store().blocks_used();
        stats.held_blocks_peak += select->store().blocks_peak();
    }
    stats.fragments_unmatched += closed_unmatched_;
    for (const Source& source : sources_) stats.fragments_unmatched += source.stage->fragments().unmatched();
    return stats;
}

}  // namespace yagura::dataplane
