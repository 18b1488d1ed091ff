// SPDX-License-Identifier: BSD-3-Clause
#include <algorithm>
#include <optional>
#include <tuple>

#include "match/compiled_state.h"
#include "match/match_scratch.h"
#include "match/payload_evaluation.h"
#include "match/payload_states.h"

namespace yagura::match {
namespace {

constexpr auto kInner = static_cast<std::size_t>(rules::Layer::kInner);

/// What of a table can hold for a flow, in either direction: what is always in it as well.
std::span<const RuleIndex> possible(const RuleTable& table, const FilterSet& filters, const net::FlowKey& key,
                                    MatchScratch& scratch) {
    scratch.begin();
    for (const RuleIndex index : table.always) scratch.add(index);
    if (table.only_always()) return scratch.found();
    const KeyQuestion forth(key);
    const KeyQuestion back(key.reversed());
    const auto add = [&scratch](RuleIndex index) {
        scratch.add(index);
        return false;
    };
    for (const TupleSpace* space : {&table.plain[kInner], &table.key_plain}) {
        space->visit(forth.fields, add);
        space->visit(back.fields, add);
    }
    for (const auto& [index, filter] : table.programs) {
        const bool holds = scratch.remember(filter, [&, program = filter] {
            return filters.holds(program, forth) || filters.holds(program, back);
        });
        if (holds) scratch.add(index);
    }
    return scratch.found();
}

/// The answer of a scan without hits.
std::span<const RuleIndex> nothing(MatchScratch& scratch) {
    scratch.payload.hits.clear();
    scratch.payload.died = false;
    return {};
}

void begin(MatchScratch& scratch) {
    scratch.begin();
    nothing(scratch);
}

std::span<const RuleIndex> finish(MatchScratch& scratch) {
    std::vector<PayloadHit>& hits = scratch.payload.hits;
    std::sort(hits.begin(), hits.end(), [](const PayloadHit& a, const PayloadHit& b) {
        return std::tie(a.end, a.rule, a.list, a.entry) < std::tie(b.end, b.rule, b.list, b.entry);
    });
    return scratch.found();
}

}  // namespace

GroupIndex CompiledRules::group_count() const {
    return static_cast<GroupIndex>(state_->first_rules.size() - 1);
}

std::span<const RuleIndex> CompiledRules::group_rules(GroupIndex group) const {
    const std::uint32_t first = state_->first_rules[group];
    return {state_->group_rules.data() + first, state_->first_rules[group + 1] - first};
}

std::span<const GroupIndex> CompiledRules::payload_groups(const net::FlowKey& key,
                                                          MatchScratch& scratch) const {
    return possible(state_->groups, state_->filters, key, scratch);
}

bool CompiledRules::packet_payload_possible(const net::FlowKey& key, MatchScratch& scratch) const {
    if (!state_->packet_payload.always.empty()) return true;
    return !possible(state_->packet_payload, state_->filters, key, scratch).empty();
}

std::span<const RuleIndex> CompiledRules::payload_rules(const PacketView& packet, base::Bytes payload,
                                                        RuleIndex limit, MatchScratch& scratch,
                                                        PayloadRules which, rules::Direction to) const {
    const PayloadPatterns& patterns = state_->patterns;
    begin(scratch);
    // Later fragments carry no ports: they are asked by the key that was learned for them.
    const net::FlowKey* const key = packet.parsed->has_flow() ? &packet.parsed->key : nullptr;
    HeaderQuestion headers(state_->headers, state_->filters, state_->link_type, key, &packet, scratch);
    const auto ask = [&](const PayloadConditions& conditions, const PatternMatcher* matcher) {
        if (matcher == nullptr) return;
        PayloadEvaluation(conditions, headers, scratch, {to, limit})
            .take_all(matcher->scan(payload, scratch.payload.patterns));
    };
    if (which == PayloadRules::kAll) ask(patterns.flow, patterns.datagrams.get());
    ask(patterns.packet, patterns.packets.get());
    return finish(scratch);
}

std::span<const RuleIndex> CompiledRules::scan_stream(PayloadStates& states, StateIndex state,
                                                      unsigned direction, base::Bytes bytes,
                                                      const ScanContext& context,
                                                      MatchScratch& scratch) const {
    if (bytes.empty()) return nothing(scratch);
    PayloadStates::Slot& slot = states.slot(state);
    PayloadStates::Slot::Direction& stream = slot.directions[direction];
    const PatternMatcher& matcher = *state_->patterns.streams;
    void* const memory = states.stream(slot, direction);
    if (!stream.open) [[unlikely]] {
        if (stream.made) {
            matcher.reset_stream(memory);
        } else {
            matcher.open_stream(memory);
        }
        stream.made = stream.open = true;
        slot.origin[direction] = context.position;
    }
    const auto hits = matcher.scan_stream(memory, bytes, scratch.payload.patterns);
    if (hits.empty()) [[likely]]
        return nothing(scratch);
    begin(scratch);
    return state_->take_hits(hits, states.bits(slot), slot.origin[direction], stream.gap, context, scratch);
}

std::span<const RuleIndex> CompiledRules::scan_datagram(PayloadStates& states, StateIndex state,
                                                        base::Bytes bytes, const ScanContext& context,
                                                        MatchScratch& scratch) const {
    begin(scratch);
    const auto hits = state_->patterns.datagrams->scan(bytes, scratch.payload.patterns);
    return state_->take_hits(hits, states.bits(states.slot(state)), context.position, false, context,
                             scratch);
}

void CompiledRules::stream_gap(PayloadStates& states, StateIndex state, unsigned direction) const {
    PayloadStates::Slot::Direction& stream = states.slot(state).directions[direction];
    stream.open = false;
    stream.gap = true;
}

std::span<const RuleIndex> CompiledRules::end_stream(PayloadStates& states, StateIndex state,
                                                     unsigned direction, const ScanContext& context,
                                                     MatchScratch& scratch) const {
    begin(scratch);
    PayloadStates::Slot& slot = states.slot(state);
    PayloadStates::Slot::Direction& stream = slot.directions[direction];
    if (!stream.open) return {};
    stream.open = false;
    const auto hits =
        state_->patterns.streams->end_stream(states.stream(slot, direction), scratch.payload.patterns);
    return state_->take_hits(hits, states.bits(slot), slot.origin[direction], stream.gap, context, scratch);
}

std::span<const RuleIndex> CompiledRules::conclude(PayloadStates& states, StateIndex state,
                                                   const net::FlowKey& key, MatchScratch& scratch) const {
    begin(scratch);
    const PayloadConditions& conditions = state_->patterns.flow;
    Bits bits = states.bits(states.slot(state));
    std::optional<KeyQuestion> forth;
    std::optional<KeyQuestion> back;
    for (const std::uint32_t index : conditions.at_end()) {
        const PayloadRule& rule = conditions.rules()[index];
        if (!conditions.holds_at_end(rule, bits)) continue;
        const std::optional<FilterIndex> filter = state_->headers[rule.rule].filter;
        const bool holds = !filter || scratch.remember(*filter, [&] {
            if (!forth) {
                forth.emplace(key);
                back.emplace(key.reversed());
            }
            return state_->filters.holds(*filter, *forth) || state_->filters.holds(*filter, *back);
        });
        bits.set(rule.done);
        if (holds) scratch.add(rule.rule);
    }
    return scratch.found();
}

bool CompiledRules::is_open(PayloadStates& states, StateIndex state, RuleIndex rule) const {
    return !states.bits(states.slot(state)).test(state_->patterns.flow.of(rule).done);
}

bool CompiledRules::rule_died(const MatchScratch& scratch) {
    return scratch.payload.died;
}

void CompiledRules::set_trace(MatchScratch& scratch, bool on) const {
    scratch.payload.hits.clear();
    scratch.payload.trace = on;
    const PayloadPatterns& patterns = state_->patterns;
    if (on) scratch.payload.hits.reserve(patterns.flow.use_count() + patterns.packet.use_count());
}

std::span<const PayloadHit> CompiledRules::hits(const MatchScratch& scratch) {
    return scratch.payload.hits;
}

std::span<const RuleIndex> CompiledRules::State::take_hits(std::span<const PatternHit> hits, Bits bits,
                                                           std::uint64_t origin, bool after_gap,
                                                           const ScanContext& context,
                                                           MatchScratch& scratch) const {
    if (hits.empty()) return {};
    HeaderQuestion question(headers, filters, link_type, &context.key, context.packet, scratch);
    PayloadEvaluation(patterns.flow, question, scratch, {context.to, context.limit, origin, after_gap})
        .take(hits, bits);
    return finish(scratch);
}

}  // namespace yagura::match
