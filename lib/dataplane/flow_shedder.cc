// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/flow_shedder.h"

#include <utility>

namespace yagura::dataplane {

FlowShedder::FlowShedder(std::size_t lane, std::uint32_t flows)
    : lane_(lane), flows_(flows), begins_(flows) {}

void FlowShedder::set_tool(base::ToolId id, std::unique_ptr<Tool>& tool) noexcept {
    const std::uint64_t bit = std::uint64_t{1} << id.value();
    std::swap(tools_[id.index()], tool);
    limited_ = tools_[id.index()] != nullptr ? limited_ | bit : limited_ & ~bit;
}

void FlowShedder::forget(std::uint32_t index) {
    begins_[index] = {};
    for (std::uint64_t rest = limited_; rest != 0; rest &= rest - 1) at(rest).states_[index] = kNew;
}

/// The flow is new to the tool.
void FlowShedder::begin(std::uint32_t index, base::ToolId id, unsigned priority, const base::Count& first) {
    Tool& tool = *tools_[id.index()];
    if (!tool.admission_.admit(priority, first)) {
        tool.states_[index] = kRefused;
        counters_[id.index()].flows_shed.add(1);
        return;
    }
    tool.states_[index] = static_cast<std::uint8_t>(kAdmitted | priority);
    for (std::uint64_t rest = limited_; rest != 0; rest &= rest - 1) {
        const Tool& other = at(rest);
        if (&other != &tool && (other.states_[index] & kAdmitted) != 0) return;
    }
    if (++newest_ == 0) ++newest_;
    begins_[index] = {.number = newest_, .slice = tool.admission_.slice()};
}

bool FlowShedder::goes(std::uint32_t index, base::ToolId id, std::uint32_t bytes) {
    Tool& tool = *tools_[id.index()];
    std::uint8_t& state = tool.states_[index];
    if ((state & kAdmitted) != 0) {
        if (tool.admission_.put(state & ~kAdmitted, begins_[index], bytes, newest_)) return true;
        state = kCut;
        counters_[id.index()].flows_cut.add(1);
    }
    counters_[id.index()].shed.add(1, bytes);
    return false;
}

std::uint64_t FlowShedder::take_single(std::uint64_t tools, std::uint32_t bytes) {
    std::uint64_t taken = 0;
    for (std::uint64_t rest = tools; rest != 0; rest &= rest - 1) {
        if (at(rest).admission_.put_single(bytes)) {
            taken |= rest & -rest;
        } else {
            counters_[static_cast<std::size_t>(std::countr_zero(rest))].shed.add(1, bytes);
        }
    }
    return taken;
}

FlowShedder::Shed FlowShedder::shed(std::uint32_t index) const {
    Shed shed;
    for (std::uint64_t rest = limited_; rest != 0; rest &= rest - 1) {
        const std::uint8_t state = tools_[static_cast<std::size_t>(std::countr_zero(rest))]->states_[index];
        if (state == kRefused || state == kCut) shed.all |= rest & -rest;
        if (state == kCut) shed.cut |= rest & -rest;
    }
    return shed;
}

}  // namespace yagura::dataplane
