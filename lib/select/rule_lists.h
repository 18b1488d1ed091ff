// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <algorithm>
#include <cstring>
#include <iterator>
#include <span>
#include <vector>

#include "flow/flow_table.h"
#include "match/compiled_rules.h"
#include "select/policy.h"

/// What the parts of Selector do with lists of rules, which ascend.
namespace yagura::select {

/// Cuts the list after its first drop.
inline void cut(std::vector<match::RuleIndex>& list, const std::vector<RuleAction>& actions) {
    const auto drop = std::ranges::find_if(list, [&](match::RuleIndex r) { return actions[r].drop; });
    if (drop != list.end()) list.erase(std::next(drop), list.end());
}

/// a ∪ b into out; all ascending.
inline void unite(std::span<const match::RuleIndex> a, std::span<const match::RuleIndex> b,
                  std::vector<match::RuleIndex>& out) {
    out.clear();
    std::ranges::set_union(a, b, std::back_inserter(out));
}

/// Whether a packet of the flow, which has this key, goes against the direction of FlowEntry::key.
inline bool goes_back(const net::FlowKey& key, const flow::FlowEntry& flow) {
    return std::memcmp(key.src.data(), flow.key.src.data(), sizeof key.src) != 0 ||
           key.sport != flow.key.sport;
}

inline rules::Direction direction_of(bool reverse, const flow::FlowEntry& flow) {
    return reverse == (flow.client_is_dst != 0) ? rules::Direction::kToServer : rules::Direction::kToClient;
}

/// The rules before `first`: those that no open drop can keep from being in effect.
inline std::span<const match::RuleIndex> before(const std::vector<match::RuleIndex>& list,
                                                match::RuleIndex first) {
    return {list.begin(), std::ranges::lower_bound(list, first)};
}

}  // namespace yagura::select
