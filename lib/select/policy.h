// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "match/compiled_rules.h"
#include "rules/config.h"
#include "select/tool_choice.h"

namespace yagura::select {

/// What a rule does when it matches.
struct RuleAction {
    std::uint64_t id = 0;  ///< rules::Rule::id
    bool drop = false;
    rules::Scope scope = rules::Scope::kSession;
    std::uint64_t copy_tools = 0;               ///< tools that get every packet
    std::uint64_t fixed_tools = 0;              ///< of these: nobody stands in for them here
    std::vector<std::uint16_t> copy_groups;     ///< the others', which have a standby
    std::vector<std::uint16_t> balance_groups;  ///< groups of which one member gets the flow
    unsigned priority = rules::kUsualPriority;
    std::uint32_t sample = 1;                   ///< it holds of one in so many flows
    bool reset = false;                         ///< its flows are cut, whatever else it does
    std::optional<rules::BlockAction> block{};  ///< the same, and this is blocked

    bool responds() const { return reset || block; }
    /// Some tool may get something by it.
    bool forwards() const { return copy_tools != 0 || !balance_groups.empty(); }
    /// What packets get is another with it. Otherwise it only responds.
    bool selects() const { return drop || forwards(); }
    /// It may hold of a flow with this hash. What is in a sample is in every larger one.
    bool in_sample(std::uint64_t flow_hash) const {
        return sample == 1 || (base::mix(flow_hash ^ base::kHashA, base::kHashC) >> 32) * sample >> 32 == 0;
    }
};

/// What the payload rules that share a header (match::CompiledRules::payload_groups) could still do to a
/// flow.
struct PayloadProspect {
    struct Forward {
        match::RuleIndex rule;
        std::uint64_t session_tools;  ///< copy tools of scope session, of this rule and all before it
        std::uint64_t onward_tools;   ///< of scope onward
    };
    struct Balance {
        match::RuleIndex rule;  ///< the first that forwards to the group in this scope
        std::uint16_t group;
        bool onward;
    };
    std::vector<Forward> forwards;             ///< ascending by rule
    std::vector<Balance> balances;             ///< ascending by rule
    std::vector<match::RuleIndex> responders;  ///< rules that respond; ascending
    match::RuleIndex first_drop;               ///< of scope session; the number of rules when there is none
    match::RuleIndex first_onward_drop;        ///< likewise, of scope onward
    bool samples = false;                      ///< some hold of a part of the flows alone: ask each of them
};

/// What becomes of flows that go on under the policy before: bits of tools.
struct Takeover {
    std::uint64_t from = 0;  ///< what would be this one's
    std::uint64_t to = 0;    ///< is these ones'
};

/// One policy: the compiled rules and what they do. Immutable.
struct PolicySnapshot {
    std::shared_ptr<const match::CompiledRules> rules;
    std::vector<RuleAction> actions;  ///< by RuleIndex
    std::vector<BalanceGroup> balance_groups;
    std::vector<CopyGroup> copy_groups;      ///< those with a standby
    std::vector<PayloadProspect> prospects;  ///< by match::GroupIndex
    bool samples = false;                    ///< some rule has a sample
    bool responds = false;                   ///< some rule does
    /// What the payload rules of scope session and onward ask for, whatever they do then: ascending.
    std::vector<std::pair<std::string, match::RuleIndex>> conditions;

    Takeover takeover;  ///< when it follows one that differs by a tool that was switched

    /// The members of the balance groups of these rules' forwards for this flow.
    std::uint64_t balanced_tools(std::span<const match::RuleIndex> rules, std::uint64_t flow_hash) const;

    struct Redirection {
        std::uint64_t tools = 0;  ///< that get it
        std::uint64_t rest = 0;   ///< of those asked about: no rule led to them
    };
    /// Who gets what these rules' forwards give to `tools` for this flow, while the tools `down` are not up.
    Redirection redirect(std::span<const match::RuleIndex> rules, std::uint64_t tools,
                         std::uint64_t flow_hash, std::uint64_t down) const;
};

/// By rule of one policy: the rules of the next whose condition is the same, so that what was found out about
/// the one holds for the others. Of payload rules of scope session and onward alone; ascending.
using Succession = std::vector<std::vector<match::RuleIndex>>;
/// Null when no rule has a successor.
std::shared_ptr<const Succession> succession(const PolicySnapshot& before, const PolicySnapshot& next);

/// One tool in the place of another.
struct ToolPair {
    base::ToolId from;
    base::ToolId to;
};
/// `mirror`: the one gets whatever the other gets, too.
std::shared_ptr<const PolicySnapshot> make_policy(const rules::Config& config,
                                                  std::shared_ptr<const match::CompiledRules> compiled,
                                                  std::optional<ToolPair> mirror = std::nullopt);

/// What follows the policy of `before` when tools are switched (rules::switch_tool(), which gave `after`):
/// `mirrored`, while both get the same, and then `switched`; or that at once.
struct SwitchPolicies {
    std::shared_ptr<const PolicySnapshot> mirrored;
    std::shared_ptr<const PolicySnapshot> switched;
};
SwitchPolicies make_switch_policies(const rules::Config& before, const rules::Config& after, ToolPair tools,
                                    const std::shared_ptr<const match::CompiledRules>& compiled);

}  // namespace yagura::select
