// SPDX-License-Identifier: BSD-3-Clause
#include <algorithm>
#include <map>

#include "match/compiled_state.h"

namespace yagura::match {
namespace {

bool is_of_flow(const rules::Rule& rule) {
    return rule.scope != rules::Scope::kPacket;
}

/// A later rule may have to wait for this one, which may take the flow's packets away.
bool holds_back_others(std::span<const rules::Rule> rules, std::size_t index) {
    const auto later = rules.subspan(index + 1);
    return rules[index].drop && rules[index].has_payload() && is_of_flow(rules[index]) &&
           std::any_of(later.begin(), later.end(),
                       [](const rules::Rule& rule) { return !rule.drop && !rule.only_responds(); });
}

RuleSummary summarize(std::span<const rules::Rule> rules, std::size_t index, const RuleHeader& header,
                      const FilterSet& filters) {
    const rules::Rule& rule = rules[index];
    RuleSummary summary;
    summary.layer = rule.layer.value_or(rules::Layer::kInner);
    const bool per_flow = header.per_flow(filters);
    summary.per_flow = per_flow && is_of_flow(rule);
    if (header.filter) {
        summary.layer = filters[*header.filter].layer;
        if (filters[*header.filter].kind == FilterKind::kNever) {
            summary.warnings.emplace_back("the filter can never match");
        }
    }
    if (!per_flow && !rule.has_payload() && rule.scope == rules::Scope::kSession && !rule.only_responds()) {
        summary.warnings.emplace_back(
            "the header is asked per packet: it selects from the packet that matched on, not the whole "
            "session");
    }
    if (!per_flow && rule.has_payload() && is_of_flow(rule)) {
        summary.warnings.emplace_back(
            "the header is asked per packet: a pattern counts only if the packet that brings its last byte "
            "satisfies it");
    }
    if (!rule.payload_none.empty() && is_of_flow(rule)) {
        summary.warnings.emplace_back(
            rule.only_responds()
                ? "payload_none is decided at the end of the flow or of its inspection: nothing is reset or "
                  "blocked before"
                : "payload_none is decided at the end of the flow or of its inspection: until then the flow "
                  "is "
                  "held, and what exceeds \"hold_bytes\" is lost");
    }
    if (holds_back_others(rules, index)) {
        summary.warnings.emplace_back(
            "it may drop a flow once its payload has been seen, so rules after it that forward wait until "
            "then: "
            "flows longer than \"hold_bytes\" lose what exceeds it");
    }
    return summary;
}

/// Whether some hits count and others not cannot be said of bytes that were not there.
void check_payload_none(std::span<const rules::Rule> rules, const std::vector<bool>& asked_per_packet,
                        std::vector<CompileError>& errors) {
    for (std::size_t i = 0; i < rules.size(); ++i) {
        if (!asked_per_packet[i] || rules[i].payload_none.empty() || !is_of_flow(rules[i])) continue;
        errors.push_back(
            {i, "/payload_none",
             "the header is asked per packet, so it cannot be said of a whole flow that its payload "
             "has none of these",
             "write a filter on addresses, protocol and ports alone and leave out \"malformed\", or "
             "write \"scope\": \"packet\""});
    }
}

}  // namespace

CompiledRules::Outcome CompiledRules::compile(std::span<const rules::Rule> rules, net::LinkType link_type,
                                              DatabaseSource* source) {
    Outcome outcome;
    FilterSet filters(link_type);
    std::vector<RuleHeader> headers(rules.size());
    for (std::size_t i = 0; i < rules.size(); ++i) {
        headers[i].malformed = rules[i].malformed;
        if (rules[i].filter.empty()) continue;
        auto answer = filters.add(rules[i].filter, rules[i].layer);
        if (const auto* error = std::get_if<FilterError>(&answer)) {
            outcome.errors.push_back({i, error->place, error->reason, error->fix});
        } else {
            headers[i].filter = std::get<FilterIndex>(answer);
        }
    }
    std::vector<bool> asked_per_packet(rules.size());
    for (std::size_t i = 0; i < rules.size(); ++i) {
        outcome.summaries.push_back(summarize(rules, i, headers[i], filters));
        asked_per_packet[i] = !headers[i].per_flow(filters);
    }
    check_payload_none(rules, asked_per_packet, outcome.errors);
    PayloadPatterns patterns(rules, asked_per_packet, source, outcome.errors);
    if (!outcome.errors.empty()) {
        std::stable_sort(outcome.errors.begin(), outcome.errors.end(),
                         [](const CompileError& a, const CompileError& b) { return a.rule < b.rule; });
        return outcome;
    }
    filters.seal();
    outcome.rules.reset(
        new CompiledRules(State::build(rules, link_type, std::move(filters), std::move(patterns), headers)));
    return outcome;
}

/// For questions to keys: what a key cannot answer may hold for any.
void CompiledRules::State::add_by_key(RuleTable& table, RuleIndex index, const RuleHeader& header) {
    if (header.filter &&
        (filters[*header.filter].per_flow || filters[*header.filter].kind == FilterKind::kNever)) {
        table.add(index, *header.filter, filters);
    } else {
        table.add(index);
    }
}

void CompiledRules::State::sort_payload_rules(std::span<const rules::Rule> rules) {
    std::map<std::pair<std::optional<FilterIndex>, std::optional<bool>>, std::size_t> known;
    std::vector<std::vector<RuleIndex>> members;
    for (RuleIndex i = 0; i < rules.size(); ++i) {
        if (!rules[i].has_payload()) continue;
        const RuleHeader& header = headers[i];
        first_payload = std::min(first_payload, i);
        if (rules[i].scope == rules::Scope::kPacket) {
            first_packet_payload = std::min(first_packet_payload, i);
            add_by_key(packet_payload, i, header);
            continue;
        }
        const auto [group, is_new] = known.try_emplace({header.filter, header.malformed}, members.size());
        if (is_new) {
            add_by_key(groups, static_cast<GroupIndex>(members.size()), header);
            members.emplace_back();
        }
        members[group->second].push_back(i);
    }
    for (const std::vector<RuleIndex>& group : members) {
        first_rules.push_back(static_cast<std::uint32_t>(group_rules.size()));
        group_rules.insert(group_rules.end(), group.begin(), group.end());
    }
    first_rules.push_back(static_cast<std::uint32_t>(group_rules.size()));
}

std::unique_ptr<CompiledRules::State> CompiledRules::State::build(std::span<const rules::Rule> rules,
                                                                  net::LinkType link_type, FilterSet filters,
                                                                  PayloadPatterns patterns,
                                                                  std::vector<RuleHeader> headers) {
    auto state =
        std::make_unique<State>(link_type, std::move(filters), std::move(patterns), std::move(headers));
    const auto size = static_cast<RuleIndex>(rules.size());
    state->first_packet = state->first_payload = state->first_packet_payload = size;
    for (RuleIndex i = 0; i < size; ++i) {
        if (rules[i].has_payload()) continue;
        const RuleHeader& header = state->headers[i];
        RuleTable* table = &state->packet;
        if (header.per_flow(state->filters) && rules[i].scope != rules::Scope::kPacket) {
            table = &state->flow;
        } else {
            state->first_packet = std::min(state->first_packet, i);
        }
        if (header.filter) {
            table->add(i, *header.filter, state->filters);
        } else {
            table->add(i);
        }
    }
    state->sort_payload_rules(rules);
    for (RuleTable* table : {&state->flow, &state->packet, &state->packet_payload, &state->groups})
        table->seal();
    return state;
}

}  // namespace yagura::match
