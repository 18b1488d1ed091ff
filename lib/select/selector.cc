// SPDX-License-Identifier: BSD-3-Clause
#include "select/selector.h"

#include <algorithm>
#include <bit>
#include <iterator>

namespace yagura::select {
namespace {

/// Lists of rules that occur are few next to the flows, but a sender who can make rules match at will can
/// make many.
constexpr std::uint32_t kSpareDecisions = 1u << 16;
constexpr std::uint32_t kRulesPerDecision = 4;

std::uint32_t decision_room(const PolicySnapshot& policy, std::uint32_t lists) {
    return lists != 0 ? lists : static_cast<std::uint32_t>(2 * policy.actions.size()) + kSpareDecisions;
}

/// Cuts the list after its first drop.
void cut(std::vector<match::RuleIndex>& list, const std::vector<RuleAction>& actions) {
    const auto drop = std::ranges::find_if(list, [&](match::RuleIndex r) { return actions[r].drop; });
    if (drop != list.end()) list.erase(std::next(drop), list.end());
}

/// a ∪ b into out; all ascending.
void unite(std::span<const match::RuleIndex> a, std::span<const match::RuleIndex> b,
           std::vector<match::RuleIndex>& out) {
    out.clear();
    std::ranges::set_union(a, b, std::back_inserter(out));
}

rules::Direction direction_of(bool reverse, const flow::FlowEntry& flow) {
    return reverse == (flow.client_is_dst != 0) ? rules::Direction::kToServer : rules::Direction::kToClient;
}

/// The rules before `first`: those that no open drop can keep from being in effect.
std::span<const match::RuleIndex> before(const std::vector<match::RuleIndex>& list, match::RuleIndex first) {
    return {list.begin(), std::ranges::lower_bound(list, first)};
}

}  // namespace

Selector::Selector(std::shared_ptr<const PolicySnapshot> policy, const Options& options,
                   flow::BlockStore& store)
    : policy_(std::move(policy)),
      options_(options),
      scratch_(policy_->rules->make_scratch()),
      decisions_(*policy_, decision_room(*policy_, options.lists),
                 kRulesPerDecision * decision_room(*policy_, options.lists)),
      inspections_(policy_->rules->group_count() == 0 ? 0 : options.inspect.flows),
      inspector_(policy_->rules, options.inspect, store, options.trace),
      epoch_(options.epoch),
      inspects_(policy_->rules->group_count() != 0) {
    for (RuleList* list : {&matched_, &effective_, &session_, &onward_, &spare_}) {
        list->reserve(2 * policy_->actions.size() + 1);
    }
    if (options.trace != nullptr) policy_->rules->set_trace(*scratch_, true);
}

match::RuleIndex Selector::open_limit(Rules rules) const {
    if (!rules.empty() && policy_->actions[rules.back()].drop) return rules.back();
    return static_cast<match::RuleIndex>(policy_->actions.size());
}

std::uint64_t Selector::tools_of(Rules rules, std::uint64_t hash) const {
    std::uint64_t tools = policy_->balanced_tools(rules, hash);
    for (const match::RuleIndex rule : rules) tools |= policy_->actions[rule].copy_tools;
    return tools;
}

// ---- what a flow goes by

bool Selector::set_flow_rules(flow::FlowEntry& flow, Rules rules, std::uint64_t extra_tools,
                              std::uint64_t hash) {
    const std::uint32_t id =
        decisions_.intern(rules, tools_of(rules, hash) | extra_tools, DecisionTable::Use::kFlow);
    if (id == DecisionTable::kFull) {
        // With its next packet the flow begins anew.
        overflows_.add(1);
        flow.epoch = 0;
        return false;
    }
    if (id != flow.decision) flow.remembered = false;
    flow.decision = id;
    const match::RuleIndex limit = open_limit(rules);
    const bool inspected = flow.inspection != Inspection::kNone && !inspections_[flow.inspection].closed;
    const bool packets_open = policy_->rules->first_packet_rule() < limit ||
                              (flow.payload_possible && policy_->rules->first_packet_payload_rule() < limit);
    flow.decided = !inspected && !flow.awaits_answer && !packets_open;
    if (decisions_[id].drops) {
        // Was anything sent by a rule that this drop keeps from being reached?
        const Rules history = decisions_.rules_of(flow.history);
        flow.late_drop = std::ranges::any_of(
            history, [&](match::RuleIndex r) { return r > rules.back() && !policy_->actions[r].drop; });
    }
    return true;
}

bool Selector::flow_rules_of(const net::FlowKey& key) {
    session_.clear();
    onward_.clear();
    bool awaits_answer = false;
    for (const match::RuleIndex rule : policy_->rules->flow_rules(key, *scratch_)) {
        if (policy_->actions[rule].scope == rules::Scope::kSession) {
            session_.push_back(rule);
        } else if (policy_->rules->holds_one_way(rule, key)) {
            onward_.push_back(rule);
        } else {
            // From the match on: what only an answer satisfies is not in effect before it.
            awaits_answer = true;
        }
    }
    cut(session_, policy_->actions);
    return awaits_answer;
}

Selector::Prospect Selector::prospect_of(const net::FlowKey& key, match::RuleIndex limit,
                                         std::uint64_t hash) {
    Prospect prospect{.first_drop = static_cast<match::RuleIndex>(policy_->actions.size())};
    if (policy_->rules->group_count() == 0) return prospect;
    for (const match::GroupIndex group : policy_->rules->payload_groups(key, *scratch_)) {
        const PayloadProspect& p = policy_->prospects[group];
        const auto end = std::ranges::lower_bound(p.forwards, limit, {}, &PayloadProspect::Forward::rule);
        if (end != p.forwards.begin()) {
            prospect.wanted |= std::prev(end)->session_tools;
            prospect.wanted_onward |= std::prev(end)->onward_tools;
        }
        for (const PayloadProspect::Balance& balance : p.balances) {
            if (balance.rule >= limit) break;
            (balance.onward ? prospect.wanted_onward : prospect.wanted) |=
                policy_->balance_groups[balance.group].pick(hash);
        }
        if (p.first_drop < limit) prospect.first_drop = std::min(prospect.first_drop, p.first_drop);
    }
    return prospect;
}

bool Selector::begin_flow(flow::FlowEntry& flow, std::uint32_t index, const net::FlowKey& key,
                          std::uint64_t hash) {
    flow.epoch = static_cast<std::uint16_t>(epoch_);
    flow.decision = flow.history = DecisionTable::kEmpty;
    flow.remembered = false;
    flow.late_drop = false;
    flow.inspection = Inspection::kNone;
    flow.awaits_answer = flow_rules_of(key);
    flow.begun_in_reverse = key != flow.key;
    flow.payload_possible = policy_->rules->first_packet_payload_rule() < policy_->actions.size() &&
                            policy_->rules->packet_payload_possible(key, *scratch_);
    unite(session_, onward_, effective_);
    cut(effective_, policy_->actions);
    const match::RuleIndex limit = open_limit(effective_);
    const Prospect prospect = prospect_of(key, limit, hash);
    if (prospect.wanted == 0 && prospect.wanted_onward == 0 && prospect.first_drop >= limit) {
        return set_flow_rules(flow, effective_, 0, hash);
    }
    flow.inspection = inspections_.acquire(index);
    const std::uint32_t session = decisions_.intern(session_, 0, DecisionTable::Use::kRecord);
    const std::uint32_t onward = decisions_.intern(onward_, 0, DecisionTable::Use::kRecord);
    if (flow.inspection == Inspection::kNone || session == DecisionTable::kFull ||
        onward == DecisionTable::kFull) {
        if (flow.inspection != Inspection::kNone) {
            overflows_.add(1);
            end_inspection(flow);
        } else {
            uninspected_.add(1);
            if (flow.traced) options_.trace->note({.kind = FlowEvent::Kind::kNotInspected});
        }
        unite(session_, onward_, effective_);
        cut(effective_, policy_->actions);
        return set_flow_rules(flow, effective_, 0, hash);
    }
    Inspection& inspection = inspections_[flow.inspection];
    inspection.hash = hash;
    inspection.session = session;
    inspection.onward = onward;
    inspection.limit = limit;
    inspection.wanted = prospect.wanted;
    inspection.wanted_onward = prospect.wanted_onward;
    inspection.first_drop = prospect.first_drop;
    reconsider(flow, inspection);
    if (inspection.closed) end_inspection(flow);
    return flow.epoch == epoch_;
}

bool Selector::take_answer(flow::FlowEntry& flow, const net::FlowKey& key, std::uint64_t hash) {
    flow.awaits_answer = false;
    const Rules rules = policy_->rules->flow_rules(key, *scratch_);
    if (flow.inspection != Inspection::kNone) {
        Inspection& inspection = inspections_[flow.inspection];
        spare_.assign(rules.begin(), rules.end());
        std::erase_if(spare_, [this](match::RuleIndex r) {
            return policy_->actions[r].scope != rules::Scope::kOnward;
        });
        add_lasting(inspection, spare_, false);
        reconsider(flow, inspection);
        return true;
    }
    // Every rule that holds for one of the directions has now seen a packet of it.
    unite(decisions_.rules_of(flow.decision), rules, effective_);
    cut(effective_, policy_->actions);
    return set_flow_rules(flow, effective_, 0, hash);
}

// ---- one packet

void Selector::ask_packet(const match::PacketView& packet, match::RuleIndex limit, bool payload,
                          match::PayloadRules which, rules::Direction to) {
    matched_.clear();
    if (policy_->rules->first_packet_rule() < limit || !packet.parsed->has_flow()) {
        const Rules rules = policy_->rules->packet_rules(packet, limit, *scratch_);
        matched_.assign(rules.begin(), rules.end());
    }
    if (!payload || packet.parsed->payload_size == 0) return;
    const base::Bytes bytes = packet.frame.subspan(packet.parsed->payload, packet.parsed->payload_size);
    const Rules hits = policy_->rules->payload_rules(packet, bytes, limit, *scratch_, which, to);
    unite(matched_, hits, spare_);
    matched_.swap(spare_);
}

void Selector::remember(flow::FlowEntry& flow, std::uint32_t decision) {
    if (decision == flow.decision) flow.remembered = true;
    const Rules now = decisions_.rules_of(decision);
    const Rules past = decisions_.rules_of(flow.history);
    const std::uint64_t past_tools = decisions_[flow.history].tools;
    const std::uint64_t fresh_tools = decisions_[decision].tools & ~past_tools;
    unite(past, now, spare_);
    if (spare_.size() == past.size() && fresh_tools == 0) return;
    const std::uint32_t history =
        decisions_.intern(spare_, past_tools | fresh_tools, DecisionTable::Use::kRecord);
    if (history == DecisionTable::kFull) {
        overflows_.add(1);
        return;
    }
    for (const match::RuleIndex rule : now) {
        if (!std::ranges::binary_search(past, rule)) decisions_.count_flow(rule);
    }
    for (std::uint64_t tools = fresh_tools; tools != 0; tools &= tools - 1)
        tool_flows_[static_cast<std::size_t>(std::countr_zero(tools))].add(1);
    flow.history = history;
}

Verdict Selector::verdict_on(Rules rules, std::uint32_t decision, std::uint64_t tools,
                             const match::PacketView& packet, flow::FlowEntry* flow) {
    if (decision == DecisionTable::kFull) {
        overflows_.add(1);
        decisions_.count_unlisted(rules, packet.captured);
    } else {
        decisions_.count(decision, 1, packet.captured);
        if (flow != nullptr && (decision != flow->decision || !flow->remembered)) remember(*flow, decision);
    }
    if (tools != 0) return {.tools = tools};
    if (!rules.empty() && policy_->actions[rules.back()].drop) {
        const bool late = flow != nullptr && flow->late_drop &&
                          policy_->actions[rules.back()].scope != rules::Scope::kPacket;
        return {.reason = late ? DropReason::kLateDrop : DropReason::kDropRule};
    }
    if (packet.parsed->malformed != net::Malformed::kNone)
        return {.reason = malformed_drop(packet.parsed->malformed)};
    return {.reason = DropReason::kNoRule};
}

Verdict Selector::verdict_of_list(const RuleList& rules, const match::PacketView& packet, std::uint64_t hash,
                                  flow::FlowEntry* flow) {
    const std::uint64_t tools = tools_of(rules, hash);
    return verdict_on(rules, decisions_.intern(rules, tools, DecisionTable::Use::kRecord), tools, packet,
                      flow);
}

Verdict Selector::select_untracked(const match::PacketView& packet, std::uint64_t hash) {
    session_.clear();
    if (packet.parsed->has_flow()) {
        flow_rules_of(packet.parsed->key);
        unite(session_, onward_, effective_);
        session_.swap(effective_);
    }
    ask_packet(packet, open_limit({}), true, match::PayloadRules::kAll, rules::Direction::kToServer);
    unite(session_, matched_, effective_);
    cut(effective_, policy_->actions);
    return verdict_of_list(effective_, packet, hash, nullptr);
}

Verdict Selector::select_plain(const match::PacketView& packet, std::uint64_t hash, flow::FlowEntry& flow) {
    const Rules so_far = decisions_.rules_of(flow.decision);
    ask_packet(packet, open_limit(so_far), flow.payload_possible, match::PayloadRules::kOfScopePacket,
               direction_of(packet.parsed->key != flow.key, flow));
    if (flow.traced) trace_packet(packet, flow);
    if (matched_.empty()) {
        return verdict_on(so_far, flow.decision, decisions_[flow.decision].tools, packet, &flow);
    }
    unite(so_far, matched_, effective_);
    cut(effective_, policy_->actions);

    // What holds for the flow from now on: its rules so far, and this packet's that are not for the packet
    // alone.
    std::erase_if(matched_, [&](match::RuleIndex r) {
        return r > effective_.back() || policy_->actions[r].scope == rules::Scope::kPacket;
    });
    unite(so_far, matched_, session_);
    cut(session_, policy_->actions);
    flow::FlowEntry* known = &flow;
    if (!std::ranges::equal(session_, so_far) && !set_flow_rules(flow, session_, 0, hash)) known = nullptr;
    return verdict_of_list(effective_, packet, hash, known);
}

Verdict Selector::select(const match::PacketView& packet, std::uint64_t hash, flow::FlowEntry* flow,
                         std::uint32_t index) {
    if (flow == nullptr) return select_untracked(packet, hash);
    const net::FlowKey& key = packet.parsed->key;
    if (flow->epoch != epoch_) {
        if (!begin_flow(*flow, index, key, hash)) return select_untracked(packet, hash);
        if (flow->traced) trace_begin(*flow);
    }
    if (flow->awaits_answer && (key == flow->key) == flow->begun_in_reverse) {
        if (!take_answer(*flow, key, hash)) return select_untracked(packet, hash);
        if (flow->traced) trace_rules(effective_);
    }
    if (flow->decided) {
        return verdict_on(decisions_.rules_of(flow->decision), flow->decision,
                          decisions_[flow->decision].tools, packet, flow);
    }
    if (flow->inspection != Inspection::kNone) return select_inspected(packet, *flow);
    return select_plain(packet, hash, *flow);
}

// ---- inspected flows

bool Selector::add_lasting(Inspection& inspection, Rules rules, bool of_payload) {
    bool session_changed = false;
    for (const bool session : {true, false}) {
        std::uint32_t& list = session ? inspection.session : inspection.onward;
        const Rules known = decisions_.rules_of(list);
        session_.assign(known.begin(), known.end());
        for (const match::RuleIndex rule : rules) {
            const rules::Scope scope = policy_->actions[rule].scope;
            // A header that is asked per packet selects from the packet that matched on, whatever the scope.
            if (scope != rules::Scope::kPacket && (scope == rules::Scope::kSession && of_payload) == session)
                session_.push_back(rule);
        }
        if (session_.size() == known.size()) continue;
        std::ranges::sort(session_);
        session_.erase(std::ranges::unique(session_).begin(), session_.end());
        const std::uint32_t id = decisions_.intern(session_, 0, DecisionTable::Use::kFlow);
        if (id == DecisionTable::kFull) {
            overflows_.add(1);
            continue;
        }
        session_changed |= session && id != list;
        list = id;
    }
    return session_changed;
}

/// Brings the flow up to date with what is known of its rules, and finds out whether anything is still open.
void Selector::reconsider(flow::FlowEntry& flow, Inspection& inspection) {
    inspection.standing_known = false;
    const Rules session = decisions_.rules_of(inspection.session);
    unite(session, decisions_.rules_of(inspection.onward), effective_);
    cut(effective_, policy_->actions);
    if (const match::RuleIndex limit = open_limit(effective_); limit != inspection.limit) {
        const Prospect prospect = prospect_of(flow.key, limit, inspection.hash);
        inspection.limit = limit;
        inspection.wanted = prospect.wanted;
        inspection.wanted_onward = prospect.wanted_onward;
        inspection.first_drop = prospect.first_drop;
    }
    if (!inspection.closed) {
        const Rules certain = before(effective_, inspection.first_drop);
        spare_.assign(session.begin(), std::ranges::lower_bound(session, inspection.first_drop));
        const bool open = inspection.first_drop < inspection.limit ||
                          (inspection.wanted & ~tools_of(spare_, inspection.hash)) != 0 ||
                          (inspection.wanted_onward & ~tools_of(certain, inspection.hash)) != 0;
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
    const std::uint64_t selected_for = inspection.missed ? session_tools(inspection) : 0;
    if (flow.answered) inspections_.set_answered(flow.inspection);
    const bool reverse = packet.parsed->key != flow.key;
    ask_packet(packet, inspection.limit, flow.payload_possible, match::PayloadRules::kOfScopePacket,
               direction_of(reverse, flow));
    if (flow.traced) trace_packet(packet, flow);
    if (!inspector_.feed(packet, flow, reverse, inspection, *scratch_)) {
        give_up(inspection, End::kShort);
    } else if (inspection.ended[0] && inspection.ended[1]) {
        inspector_.conclude(flow, inspection, *scratch_);
        inspection.closed = true;
    }
    if (flow.traced) trace_rules(inspector_.hits());
    if (matched_.empty() && inspector_.hits().empty() && inspection.standing_known && !inspection.closed) {
        Verdict verdict =
            verdict_so_far(decisions_.rules_of(inspection.standing), inspection.standing,
                           decisions_[inspection.standing].tools, inspection.standing_waits, packet, flow);
        if (verdict.hold) verdict.own = inspection.onward;
        return verdict;
    }
    const bool changed = add_lasting(inspection, inspector_.hits(), true);
    add_lasting(inspection, matched_, false);
    reconsider(flow, inspection);
    // Of a head that was not held resolve() hears nothing.
    if (inspection.missed && (session_tools(inspection) & ~selected_for) != 0) note_missed(flow, inspection);

    // What holds for this packet: the flow's rules, and its own that are for the packet alone.
    std::erase_if(matched_,
                  [this](match::RuleIndex r) { return policy_->actions[r].scope != rules::Scope::kPacket; });
    unite(decisions_.rules_of(inspection.onward), matched_, onward_);
    unite(decisions_.rules_of(inspection.session), onward_, effective_);
    cut(effective_, policy_->actions);
    const Rules certain = before(effective_, inspection.first_drop);
    const std::uint64_t tools = tools_of(certain, inspection.hash) | inspection.extra_tools;
    const bool waits = certain.size() < effective_.size() || (inspection.wanted & ~tools) != 0;
    const std::uint32_t id = decisions_.intern(certain, tools, DecisionTable::Use::kRecord);
    inspection.standing = id;
    inspection.standing_waits = waits;
    inspection.standing_known = matched_.empty() && id != DecisionTable::kFull;

    Verdict verdict = verdict_so_far(certain, id, tools, waits, packet, flow);
    verdict.closed = inspection.closed;
    verdict.resolve = (changed || verdict.closed) && !inspection.held.empty();
    if (verdict.hold && !onward_.empty()) {
        const std::uint32_t own = decisions_.intern(onward_, 0, DecisionTable::Use::kRecord);
        if (own == DecisionTable::kFull) overflows_.add(1);
        verdict.own = own == DecisionTable::kFull ? DecisionTable::kEmpty : own;
    }
    return verdict;
}

/// A packet of an inspected flow that gets `certain` now. `waits`: something that is open may give it more.
Verdict Selector::verdict_so_far(Rules certain, std::uint32_t decision, std::uint64_t tools, bool waits,
                                 const match::PacketView& packet, flow::FlowEntry& flow) {
    Inspection& inspection = inspections_[flow.inspection];
    const bool wanted = waits && !inspection.closed;
    Verdict verdict{.hold = wanted && !inspection.hold_full};
    inspection.missed |= wanted && inspection.hold_full;
    if (tools == 0 && wanted) {
        if (!verdict.hold) verdict.reason = hold_full_reason(packet);
        return verdict;
    }
    const Verdict now = verdict_on(certain, decision, tools, packet, &flow);
    verdict.tools = now.tools;
    verdict.reason = now.reason;
    verdict.counted = decision == DecisionTable::kFull ? DecisionTable::kEmpty : decision;
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
        if (flow.traced) trace_rules(inspector_.hits());
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
    Resolution resolution{.tools = tools_of(certain, inspection.hash) | inspection.extra_tools,
                          .counted = held.counted,
                          .reason = DropReason::kNotSelected};
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
}

std::uint32_t Selector::oldest_inspected() const {
    const bool states_short = inspects_ && !inspector_.has_room();
    const std::uint32_t inspection = inspections_.oldest(states_short);
    return inspection == Inspection::kNone ? Inspection::kNone : inspections_[inspection].flow;
}

std::uint32_t Selector::oldest_one_sided() const {
    const std::uint32_t inspection = inspections_.oldest_one_sided();
    return inspection == Inspection::kNone ? Inspection::kNone : inspections_[inspection].flow;
}

std::uint64_t Selector::offered_tools(const flow::FlowEntry& flow) const {
    return flow.epoch == epoch_ ? decisions_[flow.history].tools : 0;
}

void Selector::append_forward_rules(const flow::FlowEntry& flow, std::vector<match::RuleIndex>& out) const {
    if (flow.epoch != epoch_) return;
    for (const match::RuleIndex rule : decisions_.rules_of(flow.history)) {
        if (!policy_->actions[rule].drop) out.push_back(rule);
    }
}

}  // namespace yagura::select
