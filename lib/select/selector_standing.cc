// SPDX-License-Identifier: BSD-3-Clause
// The part of Selector that says where a flow stands.
#include <algorithm>

#include "select/rule_lists.h"
#include "select/selector.h"

namespace yagura::select {

FlowStanding Selector::standing(const flow::FlowEntry& flow) noexcept {
    FlowStanding standing;
    const Decision& decision = decisions_[flow.decision];
    const Rules in_effect = decisions_.rules_of(flow.decision);
    standing.tools = decision.tools;
    standing.offered = decisions_[flow.history].tools;
    standing.decided = flow.decided;
    standing.awaits_answer = flow.awaits_answer;
    for (const match::RuleIndex rule : in_effect) standing.in_effect.add(policy_->actions[rule].id);
    const match::RuleIndex limit =
        flow.inspection == Inspection::kNone ? open_limit(in_effect) : inspections_[flow.inspection].limit;
    standing.asks_packets =
        !flow.decided && (policy_->rules->first_packet_rule() < limit ||
                          (flow.payload_possible && policy_->rules->first_packet_payload_rule() < limit));
    if (standing.tools == 0) standing.reason = flow.late_drop ? DropReason::kLateDrop : decision.reason;
    if (flow.inspection != Inspection::kNone) add_inspection(flow, standing);
    return standing;
}

void Selector::add_inspection(const flow::FlowEntry& flow, FlowStanding& standing) {
    const Inspection& inspection = inspections_[flow.inspection];
    standing.inspected = true;
    // Held, not dropped; nothing is held for what only responds.
    const bool waits = !inspection.standing_known || inspection.standing_waits;
    if (waits && !inspection.hold_full) standing.reason = DropReason::kNone;
    if (waits && inspection.hold_full && standing.tools == 0) standing.reason = DropReason::kHoldFull;
    standing.hold_full = inspection.hold_full;
    standing.held_packets = inspection.held.packets;
    standing.held_bytes = inspection.held.bytes;
    for (unsigned i = 0; i < standing.directions.size(); ++i) {
        standing.directions[i] = {.begun = inspection.streams[i].begun(),
                                  .ended = inspection.ended[i],
                                  .matched = inspection.scanned[i],
                                  .waiting = inspection.streams[i].waiting_bytes()};
    }
    unite(decisions_.rules_of(inspection.session), decisions_.rules_of(inspection.onward), spare_);
    cut(spare_, policy_->actions);
    for (const match::RuleIndex rule : spare_) {
        if (rule >= inspection.first_drop) standing.waiting.add(policy_->actions[rule].id);
    }
    matched_.clear();
    for (const match::GroupIndex group : policy_->rules->payload_groups(flow.key, *scratch_)) {
        for (const match::RuleIndex rule : policy_->rules->group_rules(group)) {
            if (rule >= inspection.limit) break;
            if (!in_sample(rule, inspection.hash)) continue;
            const bool known = inspection.state != Inspection::kNone;
            if (!known || inspector_.is_open(inspection, rule)) matched_.push_back(rule);
        }
    }
    std::ranges::sort(matched_);
    for (const match::RuleIndex rule : matched_) standing.open.add(policy_->actions[rule].id);
}

}  // namespace yagura::select
