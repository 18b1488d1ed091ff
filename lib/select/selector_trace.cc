// SPDX-License-Identifier: BSD-3-Clause
// What a selector tells of traced flows.
#include <algorithm>

#include "select/selector.h"

namespace yagura::select {
namespace {

/// Rules that are named at once.
constexpr std::size_t kMostTraced = 256;

}  // namespace

/// After begin_flow().
void Selector::trace_begin(const flow::FlowEntry& flow, std::uint64_t hash) {
    trace_rules(effective_);
    trace_samples(hash);
    if (flow.inspection == Inspection::kNone) return;
    options_.trace->note(
        {.kind = FlowEvent::Kind::kInspected, .rule = inspections_[flow.inspection].limit, .bytes = hash});
}

/// Rules that the flow is not in the sample of, whatever their header.
void Selector::trace_samples(std::uint64_t hash) {
    if (!policy_->samples) return;
    std::size_t told = 0;
    for (match::RuleIndex rule = 0; rule < policy_->actions.size() && told < kMostTraced; ++rule) {
        if (in_sample(rule, hash)) continue;
        options_.trace->note({.kind = FlowEvent::Kind::kNotSampled, .rule = rule});
        ++told;
    }
}

void Selector::trace_rules(Rules rules) {
    for (const match::RuleIndex rule : rules.first(std::min(rules.size(), kMostTraced)))
        options_.trace->note({.kind = FlowEvent::Kind::kRule, .rule = rule});
    if (rules.size() <= kMostTraced) return;
    options_.trace->note({.kind = FlowEvent::Kind::kMoreRules,
                          .packets = static_cast<std::uint32_t>(rules.size() - kMostTraced)});
}

/// What became true of the flow's payload.
void Selector::trace_hits(const Inspection& inspection) {
    const Rules hits = inspector_.hits();
    spare_.assign(hits.begin(), hits.end());
    keep_sampled(spare_, inspection.hash);
    trace_rules(spare_);
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
