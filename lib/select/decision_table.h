// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/counter.h"
#include "base/zeroed_array.h"
#include "select/drop_reason.h"
#include "select/policy.h"

namespace yagura::select {

/// A list of rules in effect, cut after its first drop, and the tools that it comes to for some flow. Flows
/// with the same share one, so that a flow needs four bytes for any number of rules and tools, and a packet
/// one addition for all its rules' counters.
struct Decision {
    std::uint32_t first;  ///< its rules: storage()[first .. first + count)
    std::uint32_t count;
    std::uint32_t next;  ///< chain of the hash bucket
    std::uint32_t hash;
    std::uint64_t tools;  ///< bit per ToolId
    bool drops;           ///< ends with a drop rule
    DropReason reason;    ///< of a packet that no tool gets by it, unless the flow or the packet has another
    base::PacketCounter counted;
};

/// The lists of rules that have occurred on one select lcore under one policy. Bounded; owned by one thread
/// (counters may be read by any, size() too).
class DecisionTable {
  public:
    static constexpr std::uint32_t kEmpty = 0;  ///< no rule in effect
    static constexpr std::uint32_t kFull = 0xffffffff;

    /// Room for `lists` different lists with `rules` entries together.
    DecisionTable(const PolicySnapshot& policy, std::uint32_t lists, std::uint32_t rules);

    enum class Use : std::uint8_t {
        kFlow,    ///< what a flow goes by
        kRecord,  ///< what is only remembered or counted: leaves a quarter of the table to the flows
    };
    /// The id of this list (ascending, without doubles) with these tools. kFull when there is no room for a
    /// new one. No rule and no tool: kEmpty.
    std::uint32_t intern(std::span<const match::RuleIndex> list, std::uint64_t tools, Use use);

    const Decision& operator[](std::uint32_t id) const { return decisions_[id]; }
    std::span<const match::RuleIndex> rules_of(std::uint32_t id) const {
        const Decision& d = decisions_[id];
        return {&storage_[d.first], d.count};
    }
    void count(std::uint32_t id, std::uint64_t packets, std::uint64_t bytes) {
        decisions_[id].counted.add(packets, bytes);
    }

    /// A packet of bytes for each rule of a list that found no room.
    void count_unlisted(std::span<const match::RuleIndex> list, std::uint64_t bytes);
    void count_flow(match::RuleIndex rule) { flows_[rule].add(1); }

    struct RuleCount {
        base::Count count;
        std::uint64_t flows = 0;
    };
    /// Adds this table's counts to `totals` (one per rule). Any thread.
    void add_to(std::span<RuleCount> totals) const;

  private:
    const PolicySnapshot& policy_;
    base::ZeroedArray<Decision> decisions_;
    base::ZeroedArray<match::RuleIndex> storage_;
    base::ZeroedArray<std::uint32_t> buckets_;
    base::ZeroedArray<base::PacketCounter> unlisted_;
    base::ZeroedArray<base::Counter> flows_;
    base::Counter decision_count_;
    std::uint32_t used_storage_ = 0;
};

}  // namespace yagura::select
