// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/stats.h"

#include <algorithm>

namespace yagura::dataplane {

base::Count PortStats::dropped_total() const {
    base::Count total;
    for (const base::Count& count : dropped) total += count;
    return total;
}

PortStats& PortStats::operator+=(const PortStats& other) {
    received += other.received;
    forwarded += other.forwarded;
    for (std::size_t r = 0; r < dropped.size(); ++r) dropped[r] += other.dropped[r];
    held += other.held;
    in_flight += other.in_flight;
    missed += other.missed;
    return *this;
}

ToolStats& ToolStats::operator+=(const ToolStats& other) {
    offered += other.offered;
    sent += other.sent;
    for (std::size_t r = 0; r < shed.size(); ++r) shed[r] += other.shed[r];
    flows += other.flows;
    flows_shed += other.flows_shed;
    flows_cut += other.flows_cut;
    return *this;
}

base::Count ToolStats::shed_total() const {
    base::Count total;
    for (const base::Count& count : shed) total += count;
    return total;
}

std::uint64_t StageCycles::busy_total() const {
    std::uint64_t total = between;
    for (const std::uint64_t stage : busy) total += stage;
    return total;
}

base::Count InjectStats::shed_total() const {
    base::Count total;
    for (const base::Count& count : shed) total += count;
    return total;
}

InjectStats& InjectStats::operator+=(const InjectStats& other) {
    made += other.made;
    sent += other.sent;
    for (std::size_t r = 0; r < shed.size(); ++r) shed[r] += other.shed[r];
    return *this;
}

InjectStats InjectStats::operator-(const InjectStats& other) const {
    InjectStats rest{.made = made - other.made, .sent = sent - other.sent, .shed = shed};
    for (std::size_t r = 0; r < shed.size(); ++r) rest.shed[r] = shed[r] - other.shed[r];
    return rest;
}

bool HeardStats::all_heard() const {
    return received == ignored + ring_full + verdicts + not_found + not_given;
}

HeardStats HeardStats::operator-(const HeardStats& other) const {
    return {.received = received - other.received,
            .ignored = ignored - other.ignored,
            .ring_full = ring_full - other.ring_full,
            .verdicts = verdicts - other.verdicts,
            .not_found = not_found - other.not_found,
            .not_given = not_given - other.not_given};
}

StageCycles& StageCycles::operator+=(const StageCycles& other) {
    for (std::size_t kind = 0; kind < busy.size(); ++kind) busy[kind] += other.busy[kind];
    between += other.between;
    idle += other.idle;
    return *this;
}

StageCycles StageCycles::operator-(const StageCycles& other) const {
    StageCycles rest{.busy = {}, .between = between - other.between, .idle = idle - other.idle};
    for (std::size_t kind = 0; kind < busy.size(); ++kind) rest.busy[kind] = busy[kind] - other.busy[kind];
    return rest;
}

void StreamStats::add(const select::InspectCounters& counters) {
    scanned_bytes += counters.scanned_bytes.get();
    depth_reached += counters.depth_reached.get();
    const flow::StreamCounters& streams = counters.streams;
    out_of_order += streams.out_of_order.get();
    retransmissions += streams.retransmissions.get();
    overlaps += streams.overlaps.get();
    gaps += streams.gaps.get();
    gap_bytes += streams.gap_bytes.get();
    before_start += streams.before_start.get();
    after_end += streams.after_end.get();
    out_of_window += streams.out_of_window.get();
}

std::uint64_t Stats::lost() const {
    std::uint64_t lost = 0;
    const auto add_port = [&](const PortStats& port) {
        lost += port.missed;
        for (std::size_t reason = 0; reason < port.dropped.size(); ++reason) {
            const bool loss =
                select::drop_class(static_cast<select::DropReason>(reason)) == select::DropClass::kLoss;
            if (loss) lost += port.dropped[reason].packets;
        }
    };
    for (const PortStats& port : ports) add_port(port);
    add_port(removed_ports);
    for (const ToolStats& tool : tools) lost += tool.shed_total().packets;
    return lost + removed_tools.shed_total().packets;
}

bool Stats::balanced() const {
    std::uint64_t in_flight = 0;
    const auto port_is_balanced = [&](const PortStats& port) {
        in_flight += port.in_flight.packets;
        return port.received == port.forwarded + port.dropped_total() + port.held + port.in_flight;
    };
    if (!std::ranges::all_of(ports, port_is_balanced) || !port_is_balanced(removed_ports)) return false;
    if (in_flight != on_select_rings) return false;
    std::uint64_t queued = 0;
    for (const ToolStats& tool : tools) queued += (tool.offered - tool.sent - tool.shed_total()).packets;
    if (removed_tools.offered != removed_tools.sent + removed_tools.shed_total()) return false;
    std::uint64_t to_inject = 0;
    for (const InjectStats& port : injected) to_inject += (port.made - port.sent - port.shed_total()).packets;
    if (removed_injected.made != removed_injected.sent + removed_injected.shed_total()) return false;
    return queued == on_tool_rings && to_inject == on_inject_rings;
}

}  // namespace yagura::dataplane
