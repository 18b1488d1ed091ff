// SPDX-License-Identifier: BSD-3-Clause
#include "select/selector.h"

#include <algorithm>
#include <bit>

#include "select/rule_lists.h"

namespace yagura::select {
namespace {

/// Lists of rules that occur are few next to the flows, but a sender who can make rules match at will can
/// make many.
constexpr std::uint32_t kSpareDecisions = 1u << 16;
constexpr std::uint32_t kRulesPerDecision = 4;

std::uint32_t decision_room(const PolicySnapshot& policy, std::uint32_t lists) {
    return lists != 0 ? lists : static_cast<std::uint32_t>(2 * policy.actions.size()) + kSpareDecisions;
}

static_assert(static_cast<unsigned>(flow::TcpState::kOpening) <= 1 &&
              static_cast<unsigned>(flow::TcpState::kEstablished) <= 1);

/// What settled() looks at. Of the state all but the bit in which kOpening and kEstablished differ.
std::uint32_t settled_mask() {
    flow::FlowEntry entry{};
    entry.epoch = 0xffff;
    entry.decided = entry.remembered = entry.late_drop = entry.traced = entry.used = entry.watched = 1;
    entry.tcp_state = 6;
    return entry.bits();
}

/// And what it wants to find there.
std::uint32_t settled_bits(std::uint32_t epoch) {
    flow::FlowEntry entry{};
    entry.epoch = static_cast<std::uint16_t>(epoch);
    entry.decided = entry.remembered = entry.used = 1;
    return entry.bits();
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
      settled_mask_(settled_mask()),
      settled_bits_(settled_bits(options.epoch)),
      inspects_(policy_->rules->group_count() != 0) {
    for (RuleList* list : {&matched_, &effective_, &session_, &onward_, &spare_, &inherited_}) {
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
    update_decided(flow);
    if (decisions_[id].drops) {
        // Was anything sent by a rule that this drop keeps from being reached?
        const Rules history = decisions_.rules_of(flow.history);
        flow.late_drop = std::ranges::any_of(
            history, [&](match::RuleIndex r) { return r > rules.back() && policy_->actions[r].forwards(); });
    }
    return true;
}

void Selector::update_decided(flow::FlowEntry& flow) {
    const match::RuleIndex limit = open_limit(decisions_.rules_of(flow.decision));
    const bool packets_open = policy_->rules->first_packet_rule() < limit ||
                              (flow.payload_possible && policy_->rules->first_packet_payload_rule() < limit);
    flow.decided = flow.inspection == Inspection::kNone && !flow.awaits_answer && !packets_open;
}

/// Takes out those whose sample the flow is not in.
void Selector::keep_sampled(RuleList& rules, std::uint64_t hash) const {
    if (!policy_->samples) return;
    std::erase_if(rules, [&](match::RuleIndex rule) { return !in_sample(rule, hash); });
}

bool Selector::flow_rules_of(const net::FlowKey& key, std::uint64_t hash) {
    session_.clear();
    onward_.clear();
    bool awaits_answer = false;
    for (const match::RuleIndex rule : policy_->rules->flow_rules(key, *scratch_)) {
        if (!in_sample(rule, hash)) continue;
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

/// What a payload rule that is open may still do.
void Selector::add_prospect(Prospect& prospect, match::RuleIndex rule, std::uint64_t hash) const {
    const RuleAction& action = policy_->actions[rule];
    if (!action.in_sample(hash)) return;
    const bool onward = action.scope == rules::Scope::kOnward;
    if (action.drop) {
        match::RuleIndex& first = onward ? prospect.first_onward_drop : prospect.first_drop;
        first = std::min(first, rule);
    } else {
        (onward ? prospect.wanted_onward : prospect.wanted) |= tools_of({&rule, 1}, hash);
    }
}

Selector::Prospect Selector::prospect_of(const net::FlowKey& key, match::RuleIndex limit,
                                         std::uint64_t hash) {
    const auto none = static_cast<match::RuleIndex>(policy_->actions.size());
    Prospect prospect{.first_drop = none, .first_onward_drop = none};
    if (policy_->rules->group_count() == 0) return prospect;
    for (const match::GroupIndex group : policy_->rules->payload_groups(key, *scratch_)) {
        const PayloadProspect& p = policy_->prospects[group];
        if (p.samples) {
            for (const match::RuleIndex rule : policy_->rules->group_rules(group)) {
                if (rule < limit) add_prospect(prospect, rule, hash);
            }
            continue;
        }
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
        if (p.first_onward_drop < limit)
            prospect.first_onward_drop = std::min(prospect.first_onward_drop, p.first_onward_drop);
    }
    return prospect;
}

/// A payload rule below `limit` that is not in effective_ may still match and respond. `inspection`: null
/// when there is none yet.
bool Selector::may_respond(const net::FlowKey& key, match::RuleIndex limit, std::uint64_t hash,
                           const Inspection* inspection) {
    if (!policy_->responds || policy_->rules->group_count() == 0) return false;
    const bool known = inspection != nullptr && inspection->state != Inspection::kNone;
    for (const match::GroupIndex group : policy_->rules->payload_groups(key, *scratch_)) {
        for (const match::RuleIndex rule : policy_->prospects[group].responders) {
            if (rule >= limit) break;
            if (!in_sample(rule, hash) || std::ranges::binary_search(effective_, rule)) continue;
            if (!known || inspector_.is_open(*inspection, rule)) return true;
        }
    }
    return false;
}

bool Selector::begin_flow(flow::FlowEntry& flow, std::uint32_t index, const net::FlowKey& key,
                          std::uint64_t hash) {
    flow.epoch = static_cast<std::uint16_t>(epoch_);
    flow.decision = flow.history = DecisionTable::kEmpty;
    flow.remembered = false;
    flow.late_drop = false;
    flow.inspection = Inspection::kNone;
    flow.awaits_answer = flow_rules_of(key, hash);
    if (!inherited_.empty()) add_inherited();
    flow.begun_in_reverse = key != flow.key;
    flow.payload_possible = policy_->rules->first_packet_payload_rule() < policy_->actions.size() &&
                            policy_->rules->packet_payload_possible(key, *scratch_);
    unite(session_, onward_, effective_);
    cut(effective_, policy_->actions);
    const match::RuleIndex limit = open_limit(effective_);
    const Prospect prospect = prospect_of(key, limit, hash);
    if (prospect.wanted == 0 && prospect.wanted_onward == 0 && prospect.first_drop >= limit &&
        prospect.first_onward_drop >= limit && !may_respond(key, limit, hash, nullptr)) {
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
    inspection.first_onward_drop = prospect.first_onward_drop;
    reconsider(flow, inspection);
    if (inspection.closed) end_inspection(flow);
    return flow.epoch == epoch_;
}

/// The rules that the flow has by what was found in it before.
void Selector::add_inherited() {
    for (const match::RuleIndex rule : inherited_)
        (policy_->actions[rule].scope == rules::Scope::kSession ? session_ : onward_).push_back(rule);
    std::ranges::sort(session_);
    std::ranges::sort(onward_);
    cut(session_, policy_->actions);
}

void Selector::succeed(flow::FlowEntry& flow, std::uint32_t index, std::uint64_t hash,
                       const Selector& before) {
    if (options_.successors == nullptr || flow.epoch != before.epoch_) return;
    inherited_.clear();
    for (const match::RuleIndex rule : before.decisions_.rules_of(flow.decision)) {
        for (const match::RuleIndex successor : (*options_.successors)[rule]) {
            if (std::ranges::find(inherited_, successor) == inherited_.end()) inherited_.push_back(successor);
        }
    }
    if (inherited_.empty()) return;
    // Without room for the list the flow is left to its next packet.
    const bool begun = begin_flow(flow, index, flow.key, hash);
    inherited_.clear();
    if (!begun || !flow.awaits_answer || !flow.answered) return;
    (void)take_answer(flow, flow.key.reversed(), hash);
    if (flow.inspection != Inspection::kNone && inspections_[flow.inspection].closed) end_inspection(flow);
}

bool Selector::take_answer(flow::FlowEntry& flow, const net::FlowKey& key, std::uint64_t hash) {
    flow.awaits_answer = false;
    const Rules rules = policy_->rules->flow_rules(key, *scratch_);
    spare_.assign(rules.begin(), rules.end());
    keep_sampled(spare_, hash);
    if (flow.inspection != Inspection::kNone) {
        Inspection& inspection = inspections_[flow.inspection];
        std::erase_if(spare_, [this](match::RuleIndex r) {
            return policy_->actions[r].scope != rules::Scope::kOnward;
        });
        add_lasting(inspection, spare_, false);
        reconsider(flow, inspection);
        return true;
    }
    // Every rule that holds for one of the directions has now seen a packet of it.
    const Rules so_far = decisions_.rules_of(flow.decision);
    unite(so_far, spare_, effective_);
    const std::uint64_t extra_tools = decisions_[flow.decision].tools & ~tools_of(so_far, hash);
    cut(effective_, policy_->actions);
    return set_flow_rules(flow, effective_, extra_tools, hash);
}

// ---- one packet

void Selector::ask_packet(const match::PacketView& packet, std::uint64_t hash, match::RuleIndex limit,
                          bool payload, match::PayloadRules which, rules::Direction to) {
    matched_.clear();
    if (policy_->rules->first_packet_rule() < limit || !packet.parsed->has_flow()) {
        const Rules rules = policy_->rules->packet_rules(packet, limit, *scratch_);
        matched_.assign(rules.begin(), rules.end());
        keep_sampled(matched_, hash);
    }
    if (!payload || packet.parsed->payload_size == 0) return;
    const base::Bytes bytes = packet.frame.subspan(packet.parsed->payload, packet.parsed->payload_size);
    const Rules hits = policy_->rules->payload_rules(packet, bytes, limit, *scratch_, which, to);
    unite(matched_, hits, spare_);
    matched_.swap(spare_);
    keep_sampled(matched_, hash);
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
    Verdict verdict{.tools = tools, .responds = responds(rules), .rules = rules};
    if (tools != 0) return verdict;
    verdict.reason = DropReason::kNoRule;
    if (!rules.empty() && policy_->actions[rules.back()].drop) {
        const bool late = flow != nullptr && flow->late_drop &&
                          policy_->actions[rules.back()].scope != rules::Scope::kPacket;
        verdict.reason = late ? DropReason::kLateDrop : DropReason::kDropRule;
    } else if (packet.parsed->malformed != net::Malformed::kNone) {
        verdict.reason = malformed_drop(packet.parsed->malformed);
    }
    return verdict;
}

Verdict Selector::verdict_of_list(const RuleList& rules, std::uint64_t extra_tools,
                                  const match::PacketView& packet, std::uint64_t hash,
                                  flow::FlowEntry* flow) {
    const std::uint64_t tools = tools_of(rules, hash) | extra_tools;
    return verdict_on(rules, decisions_.intern(rules, tools, DecisionTable::Use::kRecord), tools, packet,
                      flow);
}

Verdict Selector::select_untracked(const match::PacketView& packet, std::uint64_t hash) {
    session_.clear();
    if (packet.parsed->has_flow()) {
        flow_rules_of(packet.parsed->key, hash);
        unite(session_, onward_, effective_);
        session_.swap(effective_);
    }
    ask_packet(packet, hash, open_limit({}), true, match::PayloadRules::kAll, rules::Direction::kToServer);
    unite(session_, matched_, effective_);
    cut(effective_, policy_->actions);
    return verdict_of_list(effective_, 0, packet, hash, nullptr);
}

Verdict Selector::select_plain(const match::PacketView& packet, std::uint64_t hash, flow::FlowEntry& flow) {
    const Rules so_far = decisions_.rules_of(flow.decision);
    ask_packet(packet, hash, open_limit(so_far), flow.payload_possible, match::PayloadRules::kOfScopePacket,
               direction_of(packet.parsed->key != flow.key, flow));
    if (flow.traced) trace_packet(packet, flow);
    if (matched_.empty()) {
        return verdict_on(so_far, flow.decision, decisions_[flow.decision].tools, packet, &flow);
    }
    // What it was given when its inspection was given up.
    const std::uint64_t extra_tools = decisions_[flow.decision].tools & ~tools_of(so_far, hash);
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
    if (!std::ranges::equal(session_, so_far) && !set_flow_rules(flow, session_, extra_tools, hash))
        known = nullptr;
    return verdict_of_list(effective_, extra_tools, packet, hash, known);
}

Verdict Selector::select(const match::PacketView& packet, std::uint64_t hash, flow::FlowEntry* flow,
                         std::uint32_t index) {
    if (flow == nullptr) return select_untracked(packet, hash);
    const net::FlowKey& key = packet.parsed->key;
    if (flow->epoch != epoch_) {
        if (!begin_flow(*flow, index, key, hash)) return select_untracked(packet, hash);
        if (flow->traced) trace_begin(*flow, hash);
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

std::uint64_t Selector::redirect(Rules rules, std::uint64_t tools, std::uint64_t hash,
                                 const flow::FlowEntry* flow, std::uint64_t down) const {
    const PolicySnapshot::Redirection found = policy_->redirect(rules, tools, hash, down);
    if (found.rest == 0) return found.tools;
    // Given by payload rules that are not known to hold: the flow was let go, or the list had no room.
    std::uint64_t by_no_rule = found.rest;
    std::uint64_t chosen = 0;
    if (flow != nullptr && (by_no_rule & down) != 0 && policy_->rules->group_count() != 0) {
        const match::RuleIndex limit = open_limit(rules);
        for (const match::GroupIndex group : policy_->rules->payload_groups(flow->key, *scratch_)) {
            for (const match::RuleIndex& rule : policy_->rules->group_rules(group)) {
                if (rule >= limit) break;
                if (!policy_->actions[rule].forwards() || !in_sample(rule, hash)) continue;
                const PolicySnapshot::Redirection one = policy_->redirect({&rule, 1}, found.rest, hash, down);
                chosen |= one.tools;
                by_no_rule &= one.rest;
            }
        }
    }
    return found.tools | chosen | by_no_rule;
}

std::uint64_t Selector::offered_tools(const flow::FlowEntry& flow) const {
    return flow.epoch == epoch_ ? decisions_[flow.history].tools : 0;
}

void Selector::append_forward_rules(const flow::FlowEntry& flow, std::vector<match::RuleIndex>& out) const {
    if (flow.epoch != epoch_) return;
    for (const match::RuleIndex rule : decisions_.rules_of(flow.history)) {
        if (policy_->actions[rule].forwards()) out.push_back(rule);
    }
}

}  // namespace yagura::select
