// SPDX-License-Identifier: BSD-3-Clause
// What a selector tells of traced flows.
#include <algorithm>

#include "select/selector.h"

namespace yagura::select {

/// After begin_flow().
void Selector::trace_begin(const flow::FlowEntry& flow) {
    trace_rules(effective_);
    if (flow.inspection == Inspection::kNone) return;
    options_.trace->note({.kind = FlowEvent::Kind::kInspected, .rule = inspections_[flow.inspection].limit});
}

void Selector::trace_rules(Rules rules) {
    constexpr std::size_t kMost = 256;
    for (const match::RuleIndex rule : rules.first(std::min(rules.size(), kMost)))
        options_.trace->note({.kind = FlowEvent::Kind::kRule, .rule = rule});
    if (rules.size() <= kMost) return;
    options_.trace->note(
        {.kind = FlowEvent::Kind::kMoreRules, .packets = static_cast<std::uint32_t>(rules.size() - kMost)});
}

/// After ask_packet().
void Selector::trace_packet(const match::PacketView& packet, const flow::FlowEntry& flow) {
    if (flow.payload_possible && packet.parsed->payload_size != 0) {
        for (const match::PayloadHit& hit : match::CompiledRules::hits(*scratch_)) {
            options_.trace->note(
                {.kind = FlowEvent::Kind::kPattern,
                 .direction = static_cast<std::uint8_t>(packet.parsed->key == flow.key ? 0 : 1),
                 .list = hit.list,
                 .counted = hit.counted,
                 .rule = hit.rule,
                 .entry = hit.entry,
                 .position = static_cast<std::int64_t>(hit.end)});
        }
    }
    trace_rules(matched_);
}

}  // namespace yagura::select
