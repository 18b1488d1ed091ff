// SPDX-License-Identifier: BSD-3-Clause
#include "select/decision_table.h"

#include <algorithm>
#include <bit>
#include <cassert>

#include "base/hash.h"

namespace yagura::select {

DecisionTable::DecisionTable(const PolicySnapshot& policy, std::uint32_t lists, std::uint32_t rules)
    : policy_(policy),
      decisions_(std::size_t{lists} + 1),
      storage_(std::size_t{rules} + 1),
      buckets_(std::bit_ceil(std::size_t{lists} + 1)),
      unlisted_(policy.actions.size()),
      flows_(policy.actions.size()) {
    decisions_[kEmpty].reason = DropReason::kNoRule;
    decision_count_.add(1);
}

std::uint32_t DecisionTable::intern(std::span<const match::RuleIndex> list, std::uint64_t tools, Use use) {
    if (list.empty() && tools == 0) return kEmpty;
    assert(std::adjacent_find(list.begin(), list.end(), std::greater_equal<>{}) == list.end());
    std::uint64_t hash64 = base::mix(base::kHashA ^ list.size(), base::kHashC ^ tools);
    for (const match::RuleIndex rule : list) hash64 = base::mix(hash64 ^ rule, base::kHashB);
    const auto hash = static_cast<std::uint32_t>(hash64 >> 32);
    // A bucket holds the first id of its chain; 0 (kEmpty is never chained) ends it.
    std::uint32_t& bucket = buckets_[hash64 & (buckets_.size() - 1)];
    for (std::uint32_t id = bucket; id != 0; id = decisions_[id].next) {
        const Decision& known = decisions_[id];
        if (known.hash == hash && known.tools == tools && std::ranges::equal(rules_of(id), list)) return id;
    }
    const auto id = static_cast<std::uint32_t>(decision_count_.get());
    const auto room = [use](std::size_t size) { return use == Use::kFlow ? size : size - size / 4; };
    if (id >= room(decisions_.size()) || used_storage_ + list.size() > room(storage_.size())) return kFull;

    Decision& made = decisions_[id];
    made.first = used_storage_;
    made.count = static_cast<std::uint32_t>(list.size());
    made.hash = hash;
    made.next = bucket;
    made.tools = tools;
    made.drops = !list.empty() && policy_.actions[list.back()].drop;
    made.reason = made.drops ? DropReason::kDropRule : DropReason::kNoRule;
    for (const match::RuleIndex rule : list) storage_[used_storage_++] = rule;
    bucket = id;
    decision_count_.add(1);
    return id;
}

void DecisionTable::count_unlisted(std::span<const match::RuleIndex> list, std::uint64_t bytes) {
    for (const match::RuleIndex rule : list) unlisted_[rule].add(1, bytes);
}

void DecisionTable::add_to(std::span<RuleCount> totals) const {
    const std::uint64_t decisions = decision_count_.get();
    for (std::uint32_t id = 0; id < decisions; ++id) {
        const base::Count count = decisions_[id].counted.get();
        for (const match::RuleIndex rule : rules_of(id)) totals[rule].count += count;
    }
    for (std::size_t rule = 0; rule < totals.size(); ++rule) {
        totals[rule].count += unlisted_[rule].get();
        totals[rule].flows += flows_[rule].get();
    }
}

}  // namespace yagura::select
