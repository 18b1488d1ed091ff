// SPDX-License-Identifier: BSD-3-Clause
#include "match/compiled_rules.h"

#include <algorithm>

#include "match/compiled_state.h"
#include "match/match_scratch.h"

namespace yagura::match {
namespace {

constexpr auto kInner = static_cast<std::size_t>(rules::Layer::kInner);

}  // namespace

void MatchScratchDeleter::operator()(MatchScratch* scratch) const {
    delete scratch;
}

CompiledRules::CompiledRules(std::unique_ptr<State> state) : state_(std::move(state)) {}
CompiledRules::~CompiledRules() = default;

std::size_t CompiledRules::size() const {
    return state_->headers.size();
}
bool CompiledRules::jit_active() const {
    return state_->filters.jit_active();
}
RuleIndex CompiledRules::first_packet_rule() const {
    return state_->first_packet;
}
RuleIndex CompiledRules::first_payload_rule() const {
    return state_->first_payload;
}

RuleIndex CompiledRules::first_packet_payload_rule() const {
    return state_->first_packet_payload;
}

MatchScratchPtr CompiledRules::make_scratch() const {
    return MatchScratchPtr(new MatchScratch(size(), state_->filters.size(), state_->patterns.make_scratch()));
}

std::span<const RuleIndex> CompiledRules::flow_rules(const net::FlowKey& key, MatchScratch& scratch) const {
    const KeyQuestion forth(key);
    const KeyQuestion back(key.reversed());
    const RuleTable& table = state_->flow;
    scratch.begin();
    for (const RuleIndex rule : table.always) scratch.add(rule);
    const auto add = [&scratch](RuleIndex rule) {
        scratch.add(rule);
        return false;
    };
    for (const TupleSpace* space : {&table.plain[kInner], &table.key_plain}) {
        space->visit(forth.fields, add);
        space->visit(back.fields, add);
    }
    for (const auto& [rule, filter] : table.programs) {
        const bool holds = scratch.remember(filter, [&, index = filter] {
            return state_->filters.holds(index, forth) || state_->filters.holds(index, back);
        });
        if (holds) scratch.add(rule);
    }
    return scratch.found();
}

bool CompiledRules::holds_one_way(RuleIndex flow_rule, const net::FlowKey& key) const {
    const std::optional<FilterIndex> filter = state_->headers[flow_rule].filter;
    return !filter || state_->filters.holds(*filter, KeyQuestion(key));
}

std::span<const RuleIndex> CompiledRules::packet_rules(const PacketView& packet, RuleIndex limit,
                                                       MatchScratch& scratch) const {
    PacketQuestion question(packet, state_->link_type);
    scratch.begin();
    const auto add = [&](RuleIndex rule) {
        if (rule < limit && state_->headers[rule].malformed_holds(*packet.parsed)) scratch.add(rule);
        return false;
    };
    const auto run = [&](const std::vector<RuleTable::ProgramRule>& programs) {
        for (const auto& [rule, filter] : programs) {
            if (rule >= limit) break;
            if (!state_->headers[rule].malformed_holds(*packet.parsed)) continue;
            const bool holds = scratch.remember(
                filter, [&, index = filter] { return state_->filters.holds(index, question); });
            if (holds) scratch.add(rule);
        }
    };
    const auto ask = [&](const RuleTable& table) {
        for (const RuleIndex rule : table.always) {
            if (rule >= limit) break;
            add(rule);
        }
        for (const rules::Layer layer : {rules::Layer::kInner, rules::Layer::kOuter, rules::Layer::kFrame}) {
            const TupleSpace& space = table.plain[static_cast<std::size_t>(layer)];
            if (!space.empty()) space.visit(question.fields(layer), add);
        }
        if (packet.parsed->key_is_exact && !table.key_plain.empty()) {
            table.key_plain.visit(fields_of_key(packet.parsed->key), add);
        } else {
            run(table.byte_programs);
        }
        run(table.programs);
    };
    ask(state_->packet);
    if (!packet.parsed->has_flow()) ask(state_->flow);
    return scratch.found();
}

}  // namespace yagura::match
