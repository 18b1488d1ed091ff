// SPDX-License-Identifier: BSD-3-Clause
#include "select/selector.h"

#include <algorithm>
#include <iterator>

namespace yagura::select {
namespace {

/// Lists of rules that occur are few next to the flows, but a sender who can make rules match at will can
/// make many.
constexpr std::uint32_t kSpareDecisions = 1u << 16;
constexpr std::uint32_t kRulesPerDecision = 4;

std::uint32_t decision_room(const PolicySnapshot& policy) {
    return static_cast<std::uint32_t>(2 * policy.actions.size()) + kSpareDecisions;
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

}  // namespace

Selector::Selector(std::shared_ptr<const PolicySnapshot> policy, std::uint32_t epoch, std::uint32_t lists)
    : policy_(std::move(policy)),
      epoch_(epoch),
      scratch_(policy_->rules->make_scratch()),
      decisions_(*policy_, lists != 0 ? lists : decision_room(*policy_),
                 kRulesPerDecision * (lists != 0 ? lists : decision_room(*policy_))) {
    for (auto* list : {&matched_, &effective_, &session_}) list->reserve(2 * policy_->actions.size() + 1);
}

match::RuleIndex Selector::open_limit(Rules rules) const {
    if (!rules.empty() && policy_->actions[rules.back()].drop) return rules.back();
    return static_cast<match::RuleIndex>(policy_->actions.size());
}

bool Selector::set_flow_rules(flow::FlowEntry& flow, Rules rules) {
    const std::uint32_t id = decisions_.intern(rules, DecisionTable::Use::kFlow);
    if (id == DecisionTable::kFull) {
        // With its next packet the flow begins anew.
        overflows_.add(1);
        flow.epoch = 0;
        return false;
    }
    const Decision& decision = decisions_[id];
    flow.decision = id;
    flow.remembered = false;
    const match::RuleIndex limit = open_limit(rules);
    const bool payload_open = flow.payload_possible && policy_->rules->first_payload_rule() < limit;
    flow.decided = !payload_open && !flow.awaits_answer && policy_->rules->first_packet_rule() >= limit;
    if (decision.drops) {
        // Was anything sent by a rule that this drop keeps from being reached?
        const Rules history = decisions_.rules_of(flow.history);
        flow.late_drop = std::ranges::any_of(
            history, [&](match::RuleIndex r) { return r > rules.back() && !policy_->actions[r].drop; });
    }
    return true;
}

bool Selector::flow_rules_of(const net::FlowKey& key) {
    const Rules matched = policy_->rules->flow_rules(key, *scratch_);
    session_.assign(matched.begin(), matched.end());
    // From the match on: what only an answer satisfies is not in effect before it.
    const auto later = std::remove_if(session_.begin(), session_.end(), [&](match::RuleIndex r) {
        return policy_->actions[r].scope == rules::Scope::kOnward && !policy_->rules->holds_one_way(r, key);
    });
    const bool awaits_answer = later != session_.end();
    session_.erase(later, session_.end());
    cut(session_, policy_->actions);
    return awaits_answer;
}

bool Selector::begin_flow(flow::FlowEntry& flow, const net::FlowKey& key) {
    flow.epoch = static_cast<std::uint16_t>(epoch_);
    flow.decision = flow.history = DecisionTable::kEmpty;
    flow.late_drop = false;
    flow.awaits_answer = flow_rules_of(key);
    flow.begun_in_reverse = key != flow.key;
    flow.payload_possible = policy_->rules->first_payload_rule() < open_limit(session_) &&
                            (policy_->rules->packet_payload_possible(key, *scratch_) ||
                             !policy_->rules->payload_groups(key, *scratch_).empty());
    return set_flow_rules(flow, session_);
}

bool Selector::take_answer(flow::FlowEntry& flow, const net::FlowKey& key) {
    flow.awaits_answer = false;
    // Every rule that holds for one of the directions has now seen a packet of it.
    unite(decisions_.rules_of(flow.decision), policy_->rules->flow_rules(key, *scratch_), session_);
    cut(session_, policy_->actions);
    return set_flow_rules(flow, session_);
}

void Selector::ask_packet(const match::PacketView& packet, match::RuleIndex limit, bool payload) {
    matched_.clear();
    if (policy_->rules->first_packet_rule() < limit || !packet.parsed->has_flow()) {
        const Rules rules = policy_->rules->packet_rules(packet, limit, *scratch_);
        matched_.assign(rules.begin(), rules.end());
    }
    if (!payload || packet.parsed->payload_size == 0 || policy_->rules->first_payload_rule() >= limit) return;
    const base::Bytes bytes = packet.frame.subspan(packet.parsed->payload, packet.parsed->payload_size);
    const Rules hits = policy_->rules->payload_rules(packet, bytes, limit, *scratch_);
    unite(matched_, hits, effective_);
    matched_.swap(effective_);
}

void Selector::remember(flow::FlowEntry& flow, std::uint32_t decision) {
    if (decision == flow.decision) flow.remembered = true;
    const Rules now = decisions_.rules_of(decision);
    const Rules before = decisions_.rules_of(flow.history);
    unite(before, now, session_);
    if (session_.size() == before.size()) return;
    const std::uint32_t history = decisions_.intern(session_, DecisionTable::Use::kRecord);
    if (history == DecisionTable::kFull) {
        overflows_.add(1);
        return;
    }
    for (const match::RuleIndex rule : now) {
        if (!std::ranges::binary_search(before, rule)) decisions_.count_flow(rule);
    }
    flow.history = history;
}

std::uint64_t Selector::tools_of(std::uint32_t decision, std::uint64_t hash) const {
    std::uint64_t tools = decisions_[decision].copy_tools;
    if (decisions_[decision].balances) tools |= policy_->balanced_tools(decisions_.rules_of(decision), hash);
    return tools;
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

Verdict Selector::verdict_of_list(const std::vector<match::RuleIndex>& rules, const match::PacketView& packet,
                                  std::uint64_t hash, flow::FlowEntry* flow) {
    std::uint64_t tools = policy_->balanced_tools(rules, hash);
    for (const match::RuleIndex rule : rules) tools |= policy_->actions[rule].copy_tools;
    return verdict_on(rules, decisions_.intern(rules, DecisionTable::Use::kRecord), tools, packet, flow);
}

Verdict Selector::select_untracked(const match::PacketView& packet, std::uint64_t hash) {
    if (packet.parsed->has_flow()) {
        flow_rules_of(packet.parsed->key);
    } else {
        session_.clear();
    }
    ask_packet(packet, open_limit({}), true);
    unite(session_, matched_, effective_);
    cut(effective_, policy_->actions);
    return verdict_of_list(effective_, packet, hash, nullptr);
}

Verdict Selector::select(const match::PacketView& packet, std::uint64_t hash, flow::FlowEntry* flow) {
    if (flow == nullptr) return select_untracked(packet, hash);
    const net::FlowKey& key = packet.parsed->key;
    if (flow->epoch != epoch_ && !begin_flow(*flow, key)) return select_untracked(packet, hash);
    if (flow->awaits_answer && (key == flow->key) == flow->begun_in_reverse && !take_answer(*flow, key)) {
        return select_untracked(packet, hash);
    }
    if (flow->decided) {
        return verdict_on(decisions_.rules_of(flow->decision), flow->decision, tools_of(flow->decision, hash),
                          packet, flow);
    }

    ask_packet(packet, open_limit(decisions_.rules_of(flow->decision)), flow->payload_possible);
    if (matched_.empty()) {
        return verdict_on(decisions_.rules_of(flow->decision), flow->decision, tools_of(flow->decision, hash),
                          packet, flow);
    }
    unite(decisions_.rules_of(flow->decision), matched_, effective_);
    cut(effective_, policy_->actions);

    // What holds for the flow from now on: its rules so far, and this packet's that are not for the packet
    // alone.
    const auto for_packet_alone = [&](match::RuleIndex r) {
        return policy_->actions[r].scope == rules::Scope::kPacket;
    };
    matched_.erase(
        std::remove_if(matched_.begin(), matched_.end(),
                       [&](match::RuleIndex r) { return r > effective_.back() || for_packet_alone(r); }),
        matched_.end());
    unite(decisions_.rules_of(flow->decision), matched_, session_);
    cut(session_, policy_->actions);
    if (!std::ranges::equal(session_, decisions_.rules_of(flow->decision))) {
        if (!set_flow_rules(*flow, session_)) flow = nullptr;
    }
    return verdict_of_list(effective_, packet, hash, flow);
}

void Selector::append_forward_rules(const flow::FlowEntry& flow, std::vector<match::RuleIndex>& out) const {
    if (flow.epoch != epoch_) return;
    for (const match::RuleIndex rule : decisions_.rules_of(flow.history)) {
        if (!policy_->actions[rule].drop) out.push_back(rule);
    }
}

}  // namespace yagura::select
