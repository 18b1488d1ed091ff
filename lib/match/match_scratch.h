// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "match/compiled_rules.h"
#include "match/filter_set.h"
#include "match/payload_patterns.h"

namespace yagura::match {

class MatchScratch {
  public:
    MatchScratch(std::size_t rules, std::size_t filters, PayloadScratch payload_scratch)
        : payload(std::move(payload_scratch)), rule_stamps_(rules), filter_stamps_(filters) {
        found_.reserve(rules);
    }

    /// Forgets the question before.
    void begin() {
        found_.clear();
        if (++stamp_ >= 1u << 31) {
            std::fill(rule_stamps_.begin(), rule_stamps_.end(), 0u);
            std::fill(filter_stamps_.begin(), filter_stamps_.end(), 0u);
            stamp_ = 1;
        }
    }

    bool has(RuleIndex rule) const { return rule_stamps_[rule] == stamp_; }
    void add(RuleIndex rule) {
        if (has(rule)) return;
        rule_stamps_[rule] = stamp_;
        found_.push_back(rule);
    }
    /// The rules that were added, ascending.
    std::span<const RuleIndex> found() {
        if (!std::is_sorted(found_.begin(), found_.end())) std::sort(found_.begin(), found_.end());
        return found_;
    }

    /// A filter's answer to this question, found once: rules share filters.
    template <class Ask>
    bool remember(FilterIndex filter, Ask&& ask) {
        std::uint32_t& memo = filter_stamps_[filter];
        if (memo >> 1 != stamp_) memo = stamp_ << 1 | static_cast<std::uint32_t>(ask());
        return (memo & 1) != 0;
    }

    PayloadScratch payload;

  private:
    std::vector<RuleIndex> found_;              ///< capacity for every rule
    std::vector<std::uint32_t> rule_stamps_;    ///< of the last question that each rule was found in
    std::vector<std::uint32_t> filter_stamps_;  ///< the last question, and in the lowest bit its answer
    std::uint32_t stamp_ = 0;                   ///< below 2^31
};

}  // namespace yagura::match
