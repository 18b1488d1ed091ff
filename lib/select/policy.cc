// SPDX-License-Identifier: BSD-3-Clause
#include "select/policy.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "base/hash.h"

namespace yagura::select {
namespace {

std::uint64_t hash_name(std::string_view name) {
    std::uint64_t h = base::kHashA ^ name.size();
    for (const char c : name) h = base::mix(h ^ static_cast<unsigned char>(c), base::kHashB);
    return h;
}

PayloadProspect prospect_of(std::span<const match::RuleIndex> rules, const std::vector<RuleAction>& actions) {
    const auto none = static_cast<match::RuleIndex>(actions.size());
    PayloadProspect prospect{.first_drop = none, .first_onward_drop = none};
    PayloadProspect::Forward sum{};
    for (const match::RuleIndex rule : rules) {
        const RuleAction& action = actions[rule];
        const bool onward = action.scope == rules::Scope::kOnward;
        if (action.drop) {
            match::RuleIndex& first = onward ? prospect.first_onward_drop : prospect.first_drop;
            first = std::min(first, rule);
            continue;
        }
        prospect.samples = prospect.samples || action.sample != 1;
        sum.rule = rule;
        (onward ? sum.onward_tools : sum.session_tools) |= action.copy_tools;
        prospect.forwards.push_back(sum);
        for (const std::uint16_t group : action.balance_groups) {
            const bool known = std::ranges::any_of(
                prospect.balances, [&](const auto& b) { return b.group == group && b.onward == onward; });
            if (!known) prospect.balances.push_back({rule, group, onward});
        }
    }
    return prospect;
}

/// Equal for rules that match alike.
std::string condition_of(const rules::Rule& rule) {
    std::string text;
    const auto add = [&text](std::string_view part) { text += fmt::format("{}:{} ", part.size(), part); };
    const auto add_patterns = [&](const std::vector<rules::Pattern>& patterns) {
        text += fmt::format("{} ", patterns.size());
        for (const rules::Pattern& pattern : patterns) {
            add(pattern.text);
            text += fmt::format("{} {} {} ", static_cast<int>(pattern.direction), pattern.offset,
                                pattern.depth ? std::to_string(*pattern.depth) : "-");
        }
    };
    add(rule.filter);
    text += fmt::format("{} {} {} {} ", rule.layer ? static_cast<int>(*rule.layer) : -1,
                        rule.malformed ? static_cast<int>(*rule.malformed) : -1, static_cast<int>(rule.scope),
                        rule.sample);
    add_patterns(rule.payload);
    add_patterns(rule.payload_all);
    add_patterns(rule.payload_none);
    return text;
}

}  // namespace

std::shared_ptr<const Succession> succession(const PolicySnapshot& before, const PolicySnapshot& next) {
    auto successors = std::make_shared<Succession>(before.actions.size());
    bool any = false;
    for (const auto& [condition, rule] : before.conditions) {
        const auto same = std::ranges::equal_range(next.conditions, condition, {},
                                                   &std::pair<std::string, match::RuleIndex>::first);
        for (const auto& successor : same) (*successors)[rule].push_back(successor.second);
        any = any || !same.empty();
    }
    return any ? successors : nullptr;
}

std::uint64_t BalanceGroup::pick(std::uint64_t flow_hash) const {
    std::uint64_t best_weight = 0;
    std::uint64_t best = 0;
    for (const Member& member : members) {
        const std::uint64_t weight = base::mix(flow_hash ^ member.seed, base::kHashD);
        if (best == 0 || weight > best_weight) {
            best_weight = weight;
            best = std::uint64_t{1} << member.tool;
        }
    }
    return best;
}

std::uint64_t PolicySnapshot::balanced_tools(std::span<const match::RuleIndex> list,
                                             std::uint64_t flow_hash) const {
    std::uint64_t tools = 0;
    for (const match::RuleIndex rule : list) {
        for (const std::uint16_t group : actions[rule].balance_groups)
            tools |= balance_groups[group].pick(flow_hash);
    }
    return tools;
}

std::shared_ptr<const PolicySnapshot> make_policy(const rules::Config& config,
                                                  std::shared_ptr<const match::CompiledRules> compiled) {
    auto policy = std::make_shared<PolicySnapshot>();
    policy->rules = std::move(compiled);

    // A balance group with one member is that member.
    std::vector<std::uint64_t> copy_mask(config.tool_groups.size(), 0);
    std::vector<std::uint16_t> balance_index(config.tool_groups.size(), 0);
    for (std::size_t g = 0; g < config.tool_groups.size(); ++g) {
        const rules::ToolGroup& group = config.tool_groups[g];
        if (group.mode == rules::GroupMode::kCopy || group.members.size() == 1) {
            for (const base::ToolId tool : group.members) copy_mask[g] |= std::uint64_t{1} << tool.value();
            continue;
        }
        BalanceGroup balance;
        for (const base::ToolId tool : group.members) {
            balance.members.push_back({tool.value(), hash_name(config.tool(tool)->name)});
        }
        balance_index[g] = static_cast<std::uint16_t>(policy->balance_groups.size());
        policy->balance_groups.push_back(std::move(balance));
    }

    policy->actions.reserve(config.rules.size());
    for (const rules::Rule& rule : config.rules) {
        RuleAction action{.id = rule.id, .drop = rule.drop, .scope = rule.scope, .sample = rule.sample};
        policy->samples = policy->samples || rule.sample != 1;
        for (const std::size_t g : rule.forward) {
            action.copy_tools |= copy_mask[g];
            if (copy_mask[g] == 0) action.balance_groups.push_back(balance_index[g]);
        }
        if (rule.has_payload() && rule.scope != rules::Scope::kPacket) {
            policy->conditions.emplace_back(condition_of(rule),
                                            static_cast<match::RuleIndex>(policy->actions.size()));
        }
        policy->actions.push_back(std::move(action));
    }
    std::ranges::sort(policy->conditions);
    for (match::GroupIndex group = 0; group < policy->rules->group_count(); ++group) {
        policy->prospects.push_back(prospect_of(policy->rules->group_rules(group), policy->actions));
    }
    return policy;
}

}  // namespace yagura::select
