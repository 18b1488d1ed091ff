// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/ledger.h"

namespace yagura::dataplane {

PortSums& PortSums::operator+=(const PortSums& other) {
    received += other.received;
    handed += other.handed;
    taken += other.taken;
    forwarded += other.forwarded;
    parked += other.parked;
    unparked += other.unparked;
    for (std::size_t r = 0; r < dropped.size(); ++r) dropped[r] += other.dropped[r];
    missed += other.missed;
    return *this;
}

PortSums PortSums::operator-(const PortSums& other) const {
    PortSums rest{.received = received - other.received,
                  .handed = handed - other.handed,
                  .taken = taken - other.taken,
                  .forwarded = forwarded - other.forwarded,
                  .parked = parked - other.parked,
                  .unparked = unparked - other.unparked,
                  .dropped = {},
                  .missed = missed - other.missed};
    for (std::size_t r = 0; r < dropped.size(); ++r) rest.dropped[r] = dropped[r] - other.dropped[r];
    return rest;
}

PortStats PortSums::to_stats(base::Count waiting) const {
    return {.received = received,
            .forwarded = forwarded,
            .dropped = dropped,
            .held = parked - unparked + waiting,
            .in_flight = handed - taken,
            .missed = missed};
}

Ledger::Ledger(std::size_t ports, std::size_t open_ports, std::size_t open_tools) : ports_(ports) {
    for (std::size_t i = 0; i < open_ports; ++i) ports_[i].place = Place::kOpen;
    for (std::size_t i = 0; i < open_tools; ++i) tools_[i].place = Place::kOpen;
}

std::optional<base::PortId> Ledger::free_port() const {
    for (std::size_t i = 0; i < ports_.size(); ++i) {
        if (ports_[i].place == Place::kFree) return base::PortId{static_cast<std::uint16_t>(i)};
    }
    return std::nullopt;
}

std::optional<base::ToolId> Ledger::free_tool() const {
    for (std::size_t i = 0; i < tools_.size(); ++i) {
        if (tools_[i].place == Place::kFree) return base::ToolId{static_cast<std::uint8_t>(i)};
    }
    return std::nullopt;
}

ToolStats Ledger::since(base::ToolId id, const ToolSums& sums) const {
    const ToolSums& before = tools_[id.index()].before;
    ToolStats rest{.offered = sums.offered - before.offered,
                   .sent = sums.sent - before.sent,
                   .shed = {},
                   .flows = sums.flows - before.flows,
                   .flows_shed = sums.flows_shed - before.flows_shed,
                   .flows_cut = sums.flows_cut - before.flows_cut};
    for (std::size_t r = 0; r < rest.shed.size(); ++r) rest.shed[r] = sums.shed[r] - before.shed[r];
    return rest;
}

void Ledger::settle(base::PortId id, const PortSums& sums) {
    removed_ports_ += since(id, sums).to_stats({});
    ports_[id.index()].before = sums;
    ports_[id.index()].place = Place::kFree;
}

void Ledger::settle(base::ToolId id, const ToolSums& sums) {
    removed_tools_ += since(id, sums);
    tools_[id.index()].before = sums;
    tools_[id.index()].place = Place::kFree;
}

}  // namespace yagura::dataplane
