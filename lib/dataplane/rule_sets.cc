// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/rule_sets.h"

#include <array>
#include <bit>

#include "base/hash.h"

namespace yagura::dataplane {

RuleSets::RuleSets(Set sets)
    : nodes_(std::size_t{sets} + 1), buckets_(std::bit_ceil(std::size_t{sets} + 1)) {}

bool RuleSets::has(Set set, std::uint64_t rule) const {
    if (set == kAll) return true;
    while (set != kEmpty && nodes_[set].rule > rule) set = nodes_[set].rest;
    return set != kEmpty && nodes_[set].rule == rule;
}

RuleSets::Set RuleSets::with(Set set, std::uint64_t rule) {
    if (set == kAll || nodes_[set].size == kMost) return kAll;
    std::array<std::uint64_t, kMost> higher;
    unsigned count = 0;
    for (; set != kEmpty && nodes_[set].rule > rule; set = nodes_[set].rest)
        higher[count++] = nodes_[set].rule;
    set = made_of(set, rule);
    while (count != 0) set = made_of(set, higher[--count]);
    return set;
}

RuleSets::Set RuleSets::made_of(Set rest, std::uint64_t rule) {
    if (rest == kAll) return kAll;
    Set& bucket = buckets_[base::mix(rule ^ base::kHashA, rest ^ base::kHashB) & (buckets_.size() - 1)];
    for (Set set = bucket; set != kEmpty; set = nodes_[set].next) {
        if (nodes_[set].rule == rule && nodes_[set].rest == rest) return set;
    }
    if (count_ == nodes_.size()) return kAll;
    nodes_[count_] = {.rule = rule,
                      .rest = rest,
                      .next = bucket,
                      .size = static_cast<std::uint16_t>(nodes_[rest].size + 1)};
    return bucket = count_++;
}

}  // namespace yagura::dataplane
