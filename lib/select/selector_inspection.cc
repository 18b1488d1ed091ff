// SPDX-License-Identifier: BSD-3-Clause
// The part of Selector that deals with inspected flows.
#include <algorithm>
#include <iterator>

#include "select/rule_lists.h"
#include "select/selector.h"

namespace yagura::select {

/// Adds rules that hold from now on to the flow's lists.
void Selector::add_lasting(Inspection& inspection, Rules rules, bool of_payload) {
    for (const bool session : {true, false}) {
        std::uint32_t& list = session ? inspection.session : inspection.onward;
        const Rules known = decisions_.rules_of(list);
        session_.assign(known.begin(), known.end());
        const auto belongs = [&](match::RuleIndex rule) {
            const rules::Scope scope = policy_->actions[rule].scope;
            // A header that is asked per packet selects from the packet that matched on, whatever the scope.
            return scope != rules::Scope::kPacket && in_sample(rule, inspection.hash) &&
                   (scope == rules::Scope::kSession && of_payload) == session;
        };
        std::ranges::copy_if(rules, std::back_inserter(session_), belongs);
        if (session_.size() == known.size()) continue;
        std::ranges::sort(session_);
        session_.erase(std::ranges::unique(session_).begin(), session_.end());
        const std::uint32_t id = decisions_.intern(session_, 0, DecisionTable::Use::kFlow);
        if (id == DecisionTable::kFull) {
            overflows_.add(1);
            // A rule is reported once: what it gives the session must not be forgotten with it.
            for (const match::RuleIndex& rule : rules) {
                if (session && belongs(rule) && rule < inspection.first_drop)
                    inspection.extra_tools |= tools_of({&rule, 1}, inspection.hash);
            }
            continue;
        }
        list = id;
    }
}

/// What its rules below `limit` may still do that are neither dead nor, if some are, known to hold.
Selector::Prospect Selector::prospect_of(const flow::FlowEntry& flow, const Inspection& inspection,
                                         match::RuleIndex limit) {
    if (!inspection.some_dead) return prospect_of(flow.key, limit, inspection.hash);
    const auto none = static_cast<match::RuleIndex>(policy_->actions.size());
    Prospect prospect{.first_drop = none, .first_onward_drop = none};
    for (const match::GroupIndex group : policy_->rules->payload_groups(flow.key, *scratch_)) {
        for (const match::RuleIndex& rule : policy_->rules->group_rules(group)) {
            if (rule >= limit) break;
            if (inspector_.is_open(inspection, rule)) add_prospect(prospect, rule, inspection.hash);
        }
    }
    return prospect;
}

/// Brings the flow up to date with what is known of its rules, and finds out whether anything is still open.
void Selector::reconsider(flow::FlowEntry& flow, Inspection& inspection, bool rule_died) {
    inspection.standing_known = inspection.quick = false;
    const Rules session = decisions_.rules_of(inspection.session);
    unite(session, decisions_.rules_of(inspection.onward), effective_);
    cut(effective_, policy_->actions);
    inspection.some_dead = inspection.some_dead || rule_died;
    if (const match::RuleIndex limit = open_limit(effective_); limit != inspection.limit || rule_died) {
        const Prospect prospect = prospect_of(flow, inspection, limit);
        inspection.limit = limit;
        inspection.wanted = prospect.wanted;
        inspection.wanted_onward = prospect.wanted_onward;
        inspection.first_drop = prospect.first_drop;
        inspection.first_onward_drop = prospect.first_onward_drop;
    }
    if (!inspection.closed) {
        const Rules certain = before(effective_, inspection.first_drop);
        spare_.assign(session.begin(), std::ranges::lower_bound(session, inspection.first_drop));
        const bool open = std::min(inspection.first_drop, inspection.first_onward_drop) < inspection.limit ||
                          (inspection.wanted & ~tools_of(spare_, inspection.hash)) != 0 ||
                          (inspection.wanted_onward & ~tools_of(certain, inspection.hash)) != 0 ||
                          may_respond(flow.key, inspection.limit, inspection.hash, &inspection);
        inspection.closed = !open;
    }
    if (inspection.closed) inspection.first_drop = static_cast<match::RuleIndex>(policy_->actions.size());
    if (!set_flow_rules(flow, before(effective_, inspection.first_drop), inspection.extra_tools,
                        inspection.hash)) {
        inspection.closed = true;
    }
}

Verdict Selector::select_inspected(const match::PacketView& packet, flow::FlowEntry& flow) {
    Inspection& inspection = inspections_[flow.inspection];
    const bool reverse = goes_back(packet.parsed->key, flow);
    const bool fed = inspection.quick && !flow.traced && flow.answered == inspection.answered &&
                     inspector_.feed_in_order(packet, flow, reverse, inspection, *scratch_);
    if (fed && inspector_.hits().empty() && !inspector_.rule_died()) [[likely]]
        return standing_verdict(packet, flow, inspection);
    const std::uint64_t selected_for = session_tools(inspection);
    const match::RuleIndex waited_for = inspection.first_drop;
    if (fed) {
        matched_.clear();
    } else {
        feed(packet, flow, inspection, reverse);
        const bool news = !matched_.empty() || !inspector_.hits().empty() || inspector_.rule_died();
        if (!news && inspection.standing_known && !inspection.closed)
            return standing_verdict(packet, flow, inspection);
    }
    return select_anew(packet, flow, inspection, {.tools = selected_for, .first_drop = waited_for});
}

/// Asks the packet and brings it to the streams.
void Selector::feed(const match::PacketView& packet, flow::FlowEntry& flow, Inspection& inspection,
                    bool reverse) {
    if (flow.answered) inspections_.set_answered(flow.inspection);
    ask_packet(packet, inspection.hash, inspection.limit, flow.payload_possible,
               match::PayloadRules::kOfScopePacket, direction_of(reverse, flow));
    if (flow.traced) trace_packet(packet, flow);
    if (!inspector_.feed(packet, flow, reverse, inspection, *scratch_)) {
        give_up(inspection, End::kShort);
    } else if (inspection.ended[0] && inspection.ended[1]) {
        inspector_.conclude(flow, inspection, *scratch_);
        inspection.closed = true;
    }
    if (inspection.state != Inspection::kNone) inspections_.set_stateful(flow.inspection);
    if (flow.traced) trace_hits(inspection);
}

/// A packet that brings nothing new.
Verdict Selector::standing_verdict(const match::PacketView& packet, flow::FlowEntry& flow,
                                   Inspection& inspection) {
    const Decision& standing = decisions_[inspection.standing];
    Verdict verdict = verdict_so_far(decisions_.rules_of(inspection.standing), inspection.standing,
                                     standing.tools, inspection.standing_waits, packet, flow, inspection);
    if (verdict.hold) verdict.own = inspection.onward;
    return verdict;
}

/// A packet that brings something, or the first after something else did: the flow's rules are gone through.
Verdict Selector::select_anew(const match::PacketView& packet, flow::FlowEntry& flow, Inspection& inspection,
                              const Standing& before_it) {
    add_lasting(inspection, inspector_.hits(), true);
    add_lasting(inspection, matched_, false);
    reconsider(flow, inspection, inspector_.rule_died());
    const std::uint64_t selected_for = session_tools(inspection);
    const bool changed = selected_for != before_it.tools || inspection.first_drop != before_it.first_drop;
    // Of a head that was not held resolve() hears nothing.
    if (inspection.missed && (selected_for & ~before_it.tools) != 0) note_missed(flow, inspection);

    // What holds for this packet: the flow's rules, and its own that are for the packet alone.
    std::erase_if(matched_,
                  [this](match::RuleIndex r) { return policy_->actions[r].scope != rules::Scope::kPacket; });
    unite(decisions_.rules_of(inspection.onward), matched_, onward_);
    unite(decisions_.rules_of(inspection.session), onward_, effective_);
    cut(effective_, policy_->actions);
    const Rules certain = before(effective_, inspection.first_drop);
    const std::uint64_t tools = tools_of(certain, inspection.hash) |
                                within_own_drop(inspection.extra_tools, effective_, flow, inspection);
    const std::uint64_t wanted = within_own_drop(inspection.wanted, effective_, flow, inspection);
    const bool waits =
        (wanted & ~tools) != 0 ||
        std::any_of(effective_.begin() + static_cast<std::ptrdiff_t>(certain.size()), effective_.end(),
                    [this](match::RuleIndex r) { return policy_->actions[r].selects(); });
    const std::uint32_t id = decisions_.intern(certain, tools, DecisionTable::Use::kRecord);
    inspection.standing = id;
    inspection.standing_waits = waits;
    inspection.standing_known = matched_.empty() && id != DecisionTable::kFull;
    inspection.quick = inspection.standing_known && !flow.payload_possible &&
                       policy_->rules->first_packet_rule() >= inspection.limit;

    Verdict verdict = verdict_so_far(certain, id, tools, waits, packet, flow, inspection);
    verdict.closed = inspection.closed;
    verdict.resolve = (changed || verdict.closed) && !inspection.held.empty();
    if (verdict.hold && !onward_.empty()) {
        const std::uint32_t own = decisions_.intern(onward_, 0, DecisionTable::Use::kRecord);
        if (own == DecisionTable::kFull) overflows_.add(1);
        verdict.own = own == DecisionTable::kFull ? DecisionTable::kEmpty : own;
    }
    return verdict;
}

/// Of tools that payload rules may give: what a packet can get whose own list ends the search earlier than
/// the flow's.
std::uint64_t Selector::within_own_drop(std::uint64_t tools, const RuleList& list,
                                        const flow::FlowEntry& flow, const Inspection& inspection) {
    const match::RuleIndex own = open_limit(list);
    if (tools == 0 || own >= inspection.limit) return tools;
    const Prospect prospect = prospect_of(flow, inspection, own);
    return tools & (prospect.wanted | prospect.wanted_onward);
}

/// A packet of an inspected flow that gets `certain` now. `waits`: something that is open may give it more.
Verdict Selector::verdict_so_far(Rules certain, std::uint32_t decision, std::uint64_t tools, bool waits,
                                 const match::PacketView& packet, flow::FlowEntry& flow,
                                 Inspection& inspection) {
    const bool wanted = waits && !inspection.closed;
    Verdict verdict{.hold = wanted && !inspection.hold_full};
    inspection.missed |= wanted && inspection.hold_full;
    const bool undecided = tools == 0 && wanted;
    if (undecided && !verdict.hold) verdict.reason = hold_full_reason(packet);
    // What responds does not wait for what else the flow may get.
    if (undecided && !responds(certain)) return verdict;
    const Verdict now = verdict_on(certain, decision, tools, packet, &flow);
    verdict.counted = decision == DecisionTable::kFull ? DecisionTable::kEmpty : decision;
    verdict.responds = now.responds;
    verdict.rules = now.rules;
    if (undecided) return verdict;
    verdict.tools = now.tools;
    verdict.reason = now.reason;
    return verdict;
}

DropReason Selector::hold_full_reason(const match::PacketView& packet) const {
    return packet.parsed->malformed != net::Malformed::kNone ? malformed_drop(packet.parsed->malformed)
                                                             : DropReason::kHoldFull;
}

DropReason Selector::refuse_hold(flow::FlowEntry& flow, const match::PacketView& packet) {
    Inspection& inspection = inspections_[flow.inspection];
    inspection.hold_full = true;
    inspection.missed = true;
    return hold_full_reason(packet);
}

/// The flow is selected: what was not held of it is missing.
void Selector::note_missed(flow::FlowEntry& flow, const Inspection& inspection) {
    if (!inspection.missed || flow.incomplete) return;
    flow.incomplete = true;
    incomplete_.add(1);
}

/// Tools that get the whole session, as far as it is certain.
std::uint64_t Selector::session_tools(const Inspection& inspection) const {
    const Rules session = decisions_.rules_of(inspection.session);
    const auto end = std::ranges::find_if(
        session, [&](match::RuleIndex r) { return r >= inspection.first_drop || policy_->actions[r].drop; });
    return tools_of({session.begin(), end}, inspection.hash) | inspection.extra_tools;
}

void Selector::give_up(Inspection& inspection, End end) {
    inspection.closed = true;
    if (end != End::kShort) return;
    inspection.gave_up = true;
    let_go_.add(1);
    if (options_.when_short == rules::WhenShort::kForward) {
        inspection.extra_tools = inspection.wanted | inspection.wanted_onward;
    }
}

void Selector::close(flow::FlowEntry& flow, End end) {
    Inspection& inspection = inspections_[flow.inspection];
    const std::uint64_t selected_for = session_tools(inspection);
    if (end == End::kFlow) {
        inspector_.finish(flow, inspection, *scratch_);
        inspector_.conclude(flow, inspection, *scratch_);
        if (flow.traced) trace_hits(inspection);
        add_lasting(inspection, inspector_.hits(), true);
        inspection.closed = true;
    } else {
        give_up(inspection, end);
    }
    reconsider(flow, inspection);
    if ((session_tools(inspection) & ~selected_for) != 0) note_missed(flow, inspection);
}

Selector::Resolution Selector::resolve(flow::FlowEntry& flow, const flow::HeldPacket& held) {
    Inspection& inspection = inspections_[flow.inspection];
    unite(decisions_.rules_of(inspection.session), decisions_.rules_of(held.own), effective_);
    cut(effective_, policy_->actions);
    const Rules certain = before(effective_, inspection.first_drop);
    Resolution resolution{.tools = tools_of(certain, inspection.hash) |
                                   within_own_drop(inspection.extra_tools, effective_, flow, inspection),
                          .counted = held.counted,
                          .reason = DropReason::kNotSelected,
                          .rules = certain};
    const bool fresh = (resolution.tools & ~held.offered) != 0;
    if (fresh) note_missed(flow, inspection);
    if (fresh || inspection.closed) {
        // It has been counted for some of these rules already.
        session_.clear();
        std::ranges::set_difference(certain, decisions_.rules_of(held.counted), std::back_inserter(session_));
        const std::uint32_t news = decisions_.intern(session_, 0, DecisionTable::Use::kRecord);
        const std::uint32_t all = decisions_.intern(certain, resolution.tools, DecisionTable::Use::kRecord);
        if (news == DecisionTable::kFull || all == DecisionTable::kFull) {
            overflows_.add(1);
            decisions_.count_unlisted(session_, held.size);
        } else {
            decisions_.count(news, 1, held.size);
            resolution.counted = all;
            remember(flow, all);
        }
    }
    if (!certain.empty() && policy_->actions[certain.back()].drop) {
        resolution.reason = DropReason::kDropRule;
    } else if (held.malformed != 0) {
        resolution.reason = malformed_drop(static_cast<net::Malformed>(held.malformed));
    } else if (inspection.gave_up) {
        resolution.reason = DropReason::kHoldBudget;
    }
    return resolution;
}

std::optional<DropReason> Selector::resolve_to_nothing(const flow::FlowEntry& flow) const {
    const Inspection& inspection = inspections_[flow.inspection];
    const Rules session = decisions_.rules_of(inspection.session);
    if (!inspection.held.uniform || !session.empty() || inspection.extra_tools != 0) return std::nullopt;
    return inspection.gave_up ? DropReason::kHoldBudget : DropReason::kNotSelected;
}

void Selector::end_inspection(flow::FlowEntry& flow) {
    inspector_.release(inspections_[flow.inspection]);
    inspections_.release(flow.inspection);
    flow.inspection = Inspection::kNone;
    if (flow.epoch == epoch_) update_decided(flow);
}

std::uint32_t Selector::oldest_inspected(bool stateful) const {
    const std::uint32_t inspection = inspections_.oldest(stateful);
    return inspection == Inspection::kNone ? Inspection::kNone : inspections_[inspection].flow;
}

std::uint32_t Selector::oldest_one_sided() const {
    const std::uint32_t inspection = inspections_.oldest_one_sided();
    return inspection == Inspection::kNone ? Inspection::kNone : inspections_[inspection].flow;
}

}  // namespace yagura::select
