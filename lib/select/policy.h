// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "match/compiled_rules.h"
#include "rules/config.h"

namespace yagura::select {

/// What a rule does when it matches.
struct RuleAction {
    bool drop = false;
    rules::Scope scope = rules::Scope::kSession;
    std::uint64_t copy_tools = 0;               ///< tools that get every packet
    std::vector<std::uint16_t> balance_groups;  ///< groups of which one member gets the flow
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

/// One policy: the compiled rules and what they do. Immutable.
struct PolicySnapshot {
    std::shared_ptr<const match::CompiledRules> rules;
    std::vector<RuleAction> actions;  ///< by RuleIndex
    std::vector<BalanceGroup> balance_groups;

    /// The members of the balance groups of these rules' forwards for this flow.
    std::uint64_t balanced_tools(std::span<const match::RuleIndex> rules, std::uint64_t flow_hash) const;
};

std::shared_ptr<const PolicySnapshot> make_policy(const rules::Config& config,
                                                  std::shared_ptr<const match::CompiledRules> compiled);

}  // namespace yagura::select
