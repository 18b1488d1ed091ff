// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "match/compiled_rules.h"
#include "rules/config.h"

namespace yagura::select {

/// What a rule does when it matches.
struct RuleAction {
    std::uint64_t id = 0;  ///< rules::Rule::id
    bool drop = false;
    rules::Scope scope = rules::Scope::kSession;
    std::uint64_t copy_tools = 0;               ///< tools that get every packet
    std::vector<std::uint16_t> balance_groups;  ///< groups of which one member gets the flow
    std::uint32_t sample = 1;                   ///< it holds of one in so many flows

    /// It may hold of a flow with this hash. What is in a sample is in every larger one.
    bool in_sample(std::uint64_t flow_hash) const {
        return sample == 1 || (base::mix(flow_hash ^ base::kHashA, base::kHashC) >> 32) * sample >> 32 == 0;
    }
};

/// A group in "balance" mode: each flow has one member. Chosen by highest random weight (Thaler, Ravishankar
/// 1998), so that when a member leaves only its own flows move.
struct BalanceGroup {
    struct Member {
        std::uint8_t tool;
        std::uint64_t seed;  ///< made of its name: independent of its place in the configuration
    };
    std::vector<Member> members;

    /// Bit of the member that a flow with this hash goes to.
    std::uint64_t pick(std::uint64_t flow_hash) const;
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
    std::vector<Forward> forwards;       ///< ascending by rule
    std::vector<Balance> balances;       ///< ascending by rule
    match::RuleIndex first_drop;         ///< of scope session; the number of rules when there is none
    match::RuleIndex first_onward_drop;  ///< likewise, of scope onward
    bool samples = false;                ///< some hold of a part of the flows alone: ask each of them
};

/// One policy: the compiled rules and what they do. Immutable.
struct PolicySnapshot {
    std::shared_ptr<const match::CompiledRules> rules;
    std::vector<RuleAction> actions;  ///< by RuleIndex
    std::vector<BalanceGroup> balance_groups;
    std::vector<PayloadProspect> prospects;  ///< by match::GroupIndex
    bool samples = false;                    ///< some rule has a sample
    /// What the payload rules of scope session and onward ask for, whatever they do then: ascending.
    std::vector<std::pair<std::string, match::RuleIndex>> conditions;

    /// The members of the balance groups of these rules' forwards for this flow.
    std::uint64_t balanced_tools(std::span<const match::RuleIndex> rules, std::uint64_t flow_hash) const;
};

/// By rule of one policy: the rules of the next whose condition is the same, so that what was found out about
/// the one holds for the others. Of payload rules of scope session and onward alone; ascending.
using Succession = std::vector<std::vector<match::RuleIndex>>;
/// Null when no rule has a successor.
std::shared_ptr<const Succession> succession(const PolicySnapshot& before, const PolicySnapshot& next);

std::shared_ptr<const PolicySnapshot> make_policy(const rules::Config& config,
                                                  std::shared_ptr<const match::CompiledRules> compiled);

}  // namespace yagura::select
