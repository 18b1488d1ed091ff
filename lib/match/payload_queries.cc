// SPDX-License-Identifier: BSD-3-Clause
#include <algorithm>

#include "match/compiled_state.h"
#include "match/match_scratch.h"

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
    return !possible(state_->packet_payload, state_->filters, key, scratch).empty();
}

std::span<const RuleIndex> CompiledRules::payload_rules(const PacketView& packet, base::Bytes payload,
                                                        RuleIndex limit, MatchScratch& scratch, PayloadRules,
                                                        rules::Direction) const {
    scratch.begin();
    const std::span<const RuleIndex> hits = state_->patterns.scan(payload, scratch.payload);
    if (hits.empty()) return {};
    PacketQuestion question(packet, state_->link_type);
    const bool has_flow = packet.parsed->has_flow();
    const KeyQuestion key(packet.parsed->key);
    for (const RuleIndex rule : hits) {
        const RuleHeader& header = state_->headers[rule];
        if (rule >= limit || !header.malformed_holds(*packet.parsed)) continue;
        const bool holds = !header.filter || scratch.remember(*header.filter, [&] {
            // Later fragments carry no ports: they are asked by the key that was learned for them.
            const FilterIndex filter = *header.filter;
            return has_flow && state_->filters[filter].per_flow ? state_->filters.holds(filter, key)
                                                                : state_->filters.holds(filter, question);
        });
        if (holds) scratch.add(rule);
    }
    return scratch.found();
}

}  // namespace yagura::match
