// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <vector>

namespace yagura::dataplane {

/// Sets of rules by their ids, as small numbers: a flow remembers in two bytes for which rules something has
/// been done. Equal sets have equal numbers. Bounded; nothing is ever forgotten. Belongs to one thread,
/// allocates when it is made and never again.
class RuleSets {
  public:
    using Set = std::uint16_t;
    static constexpr Set kEmpty = 0;
    static constexpr Set kAll = 0xffff;    ///< there was no room for a set: every rule counts as in it
    static constexpr unsigned kMost = 64;  ///< rules in a set; with more it is kAll

    /// Room for so many sets besides the empty one, below kAll.
    explicit RuleSets(Set sets);

    bool has(Set set, std::uint64_t rule) const;
    /// The set with this rule, which it does not have, besides.
    Set with(Set set, std::uint64_t rule);

  private:
    /// A set is another one and a rule with a higher id than any in that.
    struct Node {
        std::uint64_t rule;
        Set rest;
        Set next;  ///< of the bucket; kEmpty ends it
        std::uint16_t size;
    };
    Set made_of(Set rest, std::uint64_t rule);

    std::vector<Node> nodes_;  ///< by set; the first is kEmpty's
    std::vector<Set> buckets_;
    Set count_ = 1;
};

}  // namespace yagura::dataplane
