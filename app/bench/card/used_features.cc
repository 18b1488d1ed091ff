// SPDX-License-Identifier: BSD-3-Clause
#include "app/bench/card/used_features.h"

#include "broker/live.h"
#include "match/filter_text.h"
#include "match/plain_filter.h"
#include "net/flow_key.h"

namespace yagura::bench {
namespace {

void count(const rules::Rule& rule, Features::Filters& filters) {
    ++filters.rules;
    if (rule.sample != 1) ++filters.samples;
    if (rule.filter.empty()) {
        ++filters.bare;
    } else if (match::parse_plain_filter(match::tokenize(rule.filter))) {
        ++filters.plain;
    } else {
        ++filters.arbitrary;
    }
}

void add_protocols(const rules::Rule& rule, std::set<std::string>& names) {
    const auto plain = match::parse_plain_filter(match::tokenize(rule.filter));
    if (!plain || plain->ways.empty()) {
        names.insert("any");
        return;
    }
    for (const match::PlainConjunction& way : plain->ways) {
        names.insert(way.protocol < 0 ? "any" : net::protocol_name(static_cast<std::uint8_t>(way.protocol)));
    }
}

}  // namespace

RuleKind kind_of(const rules::Rule& rule, const match::RuleSummary& summary) {
    if (rule.has_payload()) return RuleKind::kPayload;
    const bool once = summary.per_flow && rule.scope != rules::Scope::kPacket && !rule.malformed;
    return once ? RuleKind::kFlow : RuleKind::kPacket;
}

Features Features::of(const broker::LoadedConfig& loaded) {
    Features features;
    const rules::Config& config = loaded.config;
    features.response = config.response.enabled;
    features.flow_key = config.inspect.key_has_vlan || config.inspect.key_has_tunnel;
    for (std::size_t i = 0; i < config.rules.size(); ++i) {
        const rules::Rule& rule = config.rules[i];
        for (const std::size_t group : rule.forward) {
            const rules::ToolGroup& tools = config.tool_groups[group];
            for (const rules::GroupMember& member : tools.members) {
                features.tools.insert(member.tool.index());
                if (broker::limit_of(*config.tool(member.tool)).limits())
                    features.limited_tools.insert(member.tool.index());
            }
            const bool balance = tools.mode == rules::GroupMode::kBalance;
            if (balance) features.balance_groups.insert(group);
            if (!tools.standby.empty() || (balance && tools.members.size() > 1))
                features.stand_in = tools.mode;
        }
        switch (kind_of(rule, loaded.summaries[i])) {
            case RuleKind::kFlow:
                count(rule, features.flow_rules);
                continue;
            case RuleKind::kPacket:
                count(rule, features.packet_rules);
                continue;
            case RuleKind::kPayload:
                break;
        }
        count(rule, features.payload_rules);
        add_protocols(rule, features.payload_protocols);
        if (rule.scope == rules::Scope::kPacket) ++features.packet_payload_rules;
        features.holds |=
            rule.scope == rules::Scope::kSession && config.inspect.hold_bytes != 0 && !rule.only_responds();
        for (const auto* list : {&rule.payload, &rule.payload_all, &rule.payload_none}) {
            for (const rules::Pattern& pattern : *list) {
                ++features.patterns;
                if (pattern.direction == rules::Direction::kToServer) ++features.patterns_to_server;
                if (pattern.direction == rules::Direction::kToClient) ++features.patterns_to_client;
            }
        }
    }
    return features;
}

rules::Config with_rules_of(const broker::LoadedConfig& loaded, RuleKind kind) {
    rules::Config config = loaded.config;
    config.rules.clear();
    for (std::size_t i = 0; i < loaded.config.rules.size(); ++i) {
        const rules::Rule& rule = loaded.config.rules[i];
        if (kind_of(rule, loaded.summaries[i]) == kind) config.rules.push_back(rule);
    }
    return config;
}

rules::Config with_everything_to(const rules::Config& config, const std::set<std::size_t>& tools,
                                 rules::GroupMode mode, const std::set<std::size_t>& standby) {
    const auto members = [](const std::set<std::size_t>& of) {
        std::vector<rules::GroupMember> made;
        for (const std::size_t tool : of)
            made.push_back({.tool = base::ToolId(static_cast<std::uint8_t>(tool)), .as = {}});
        return made;
    };
    rules::Config one = config;
    one.tool_groups.push_back(
        {.name = "these", .mode = mode, .members = members(tools), .standby = members(standby)});
    one.rules = {{.id = 1, .forward = {one.tool_groups.size() - 1}}};
    return one;
}

}  // namespace yagura::bench
