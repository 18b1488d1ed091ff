// SPDX-License-Identifier: BSD-3-Clause
#include "select/policy.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

namespace yagura::select {
namespace {

PayloadProspect prospect_of(std::span<const match::RuleIndex> rules, const std::vector<RuleAction>& actions) {
    const auto none = static_cast<match::RuleIndex>(actions.size());
    PayloadProspect prospect{.first_drop = none, .first_onward_drop = none};
    PayloadProspect::Forward sum{};
    for (const match::RuleIndex rule : rules) {
        const RuleAction& action = actions[rule];
        const bool onward = action.scope == rules::Scope::kOnward;
        if (action.responds()) prospect.responders.push_back(rule);
        if (action.drop) {
            match::RuleIndex& first = onward ? prospect.first_onward_drop : prospect.first_drop;
            first = std::min(first, rule);
            continue;
        }
        if (!action.forwards()) continue;
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

/// What a forward to each tool group comes to.
class Groups {
  public:
    Groups(const rules::Config& config, std::optional<ToolPair> mirror, PolicySnapshot& policy)
        : config_(config), mirror_(mirror) {
        for (const rules::ToolGroup& group : config.tool_groups) {
            // A balance group with one member is that member.
            const bool copies =
                group.mode == rules::GroupMode::kCopy || (group.members.size() == 1 && group.standby.empty());
            add(group, copies, policy);
        }
    }

    void add_to(RuleAction& action, std::size_t group) const {
        const Forward& forward = forwards_[group];
        action.copy_tools |= forward.copies;
        if (forward.balance_group) action.balance_groups.push_back(*forward.balance_group);
        if (forward.copy_group) {
            action.copy_groups.push_back(*forward.copy_group);
        } else {
            action.fixed_tools |= forward.copies;
        }
    }

  private:
    struct Forward {
        std::uint64_t copies = 0;
        std::optional<std::uint16_t> balance_group{};
        std::optional<std::uint16_t> copy_group{};
    };

    void add(const rules::ToolGroup& group, bool copies, PolicySnapshot& policy) {
        Forward forward;
        if (!copies) {
            forward.balance_group = static_cast<std::uint16_t>(policy.balance_groups.size());
            policy.balance_groups.push_back(
                {.members = weighed(group.members), .standby = weighed(group.standby)});
        } else {
            CopyGroup copy;
            for (const rules::GroupMember& member : group.members) copy.members.push_back(bits(member.tool));
            for (const rules::GroupMember& member : group.standby) copy.standby.push_back(bits(member.tool));
            for (const std::uint64_t member : copy.members) forward.copies |= member;
            if (!group.standby.empty()) {
                forward.copy_group = static_cast<std::uint16_t>(policy.copy_groups.size());
                policy.copy_groups.push_back(std::move(copy));
            }
        }
        forwards_.push_back(forward);
    }

    std::uint64_t bits(base::ToolId tool) const {
        const std::uint64_t own = std::uint64_t{1} << tool.value();
        return mirror_ && mirror_->from == tool ? own | std::uint64_t{1} << mirror_->to.value() : own;
    }
    std::vector<BalanceGroup::Member> weighed(const std::vector<rules::GroupMember>& members) const {
        std::vector<BalanceGroup::Member> out;
        for (const rules::GroupMember& member : members) {
            const std::string& name = member.as.empty() ? config_.tool(member.tool)->name : member.as;
            out.push_back({.tools = bits(member.tool), .seed = weight_seed(name)});
        }
        return out;
    }

    const rules::Config& config_;
    std::optional<ToolPair> mirror_;
    std::vector<Forward> forwards_;
};

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

std::uint64_t PolicySnapshot::balanced_tools(std::span<const match::RuleIndex> list,
                                             std::uint64_t flow_hash) const {
    std::uint64_t tools = 0;
    for (const match::RuleIndex rule : list) {
        for (const std::uint16_t group : actions[rule].balance_groups)
            tools |= balance_groups[group].pick(flow_hash);
    }
    return tools;
}

PolicySnapshot::Redirection PolicySnapshot::redirect(std::span<const match::RuleIndex> list,
                                                     std::uint64_t tools, std::uint64_t flow_hash,
                                                     std::uint64_t down) const {
    Redirection found{.rest = tools};
    for (const match::RuleIndex rule : list) {
        const RuleAction& action = actions[rule];
        found.tools |= action.fixed_tools & tools;
        found.rest &= ~action.copy_tools;
        for (const std::uint16_t group : action.copy_groups)
            found.tools |= copy_groups[group].deal(tools, down);
        for (const std::uint16_t group : action.balance_groups) {
            const std::uint64_t own = balance_groups[group].pick(flow_hash);
            found.rest &= ~own;
            if ((own & tools) == 0) continue;
            const std::uint64_t picked = balance_groups[group].pick(flow_hash, down);
            found.tools |= (picked & own) != 0 ? picked & tools : picked;
        }
    }
    return found;
}

namespace {

std::shared_ptr<PolicySnapshot> new_policy(const rules::Config& config,
                                           std::shared_ptr<const match::CompiledRules> compiled,
                                           std::optional<ToolPair> mirror) {
    auto policy = std::make_shared<PolicySnapshot>();
    policy->rules = std::move(compiled);
    const Groups groups(config, mirror, *policy);

    policy->actions.reserve(config.rules.size());
    for (const rules::Rule& rule : config.rules) {
        RuleAction action{.id = rule.id,
                          .drop = rule.drop,
                          .scope = rule.scope,
                          .priority = rule.priority,
                          .sample = rule.sample,
                          .reset = rule.reset,
                          .block = rule.block};
        policy->samples = policy->samples || rule.sample != 1;
        policy->responds = policy->responds || rule.responds();
        for (const std::size_t group : rule.forward) groups.add_to(action, group);
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

}  // namespace

std::shared_ptr<const PolicySnapshot> make_policy(const rules::Config& config,
                                                  std::shared_ptr<const match::CompiledRules> compiled,
                                                  std::optional<ToolPair> mirror) {
    return new_policy(config, std::move(compiled), mirror);
}

SwitchPolicies make_switch_policies(const rules::Config& before, const rules::Config& after, ToolPair tools,
                                    const std::shared_ptr<const match::CompiledRules>& compiled) {
    const std::uint64_t from = std::uint64_t{1} << tools.from.value();
    const std::uint64_t to = std::uint64_t{1} << tools.to.value();
    const auto mirrored = new_policy(before, compiled, tools);
    mirrored->takeover = {.from = from, .to = from | to};
    const auto switched = new_policy(after, compiled, std::nullopt);
    switched->takeover = {.from = from, .to = to};
    return {.mirrored = mirrored, .switched = switched};
}

}  // namespace yagura::select
