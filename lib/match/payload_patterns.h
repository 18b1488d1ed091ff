// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "match/compiled_rules.h"
#include "match/pattern_matcher.h"

namespace yagura::match {

/// Working memory of one thread.
struct PayloadScratch {
    struct RuleState {
        std::uint32_t stamp = 0;    ///< of the scan that the rest is of
        std::uint32_t missing = 0;  ///< conditions that are not met yet
        bool any_hit = false;
    };
    std::unique_ptr<PatternScratch> patterns;
    std::vector<RuleState> states;  ///< one per payload rule
    std::vector<RuleIndex> found;   ///< capacity for every payload rule
    std::uint32_t stamp = 0;
};

/// The payload part of rules: which of them have their patterns in a block of bytes.
class PayloadPatterns {
  public:
    /// Identical patterns of several rules are compiled once. Appends what does not compile to `errors`;
    /// with errors, scan() must not be called.
    PayloadPatterns(std::span<const rules::Rule> rules, std::vector<CompileError>& errors);

    bool empty() const { return conditions_.empty(); }
    PayloadScratch make_scratch() const;

    /// The rules of which one of `payload` and all of `payload_all` are in the data, in no order. Storage of
    /// the scratch.
    std::span<const RuleIndex> scan(base::Bytes data, PayloadScratch& scratch) const;

  private:
    /// What a rule waits for: one hit for `payload` as a whole, and one for each of `payload_all`.
    struct Conditions {
        RuleIndex rule;
        std::uint32_t count;
    };
    /// A rule that a pattern counts for.
    struct Use {
        std::uint32_t conditions;  ///< index
        bool any;                  ///< of `payload`
    };

    std::vector<Conditions> conditions_;
    std::vector<Use> uses_;                 ///< those of one pattern are together
    std::vector<std::uint32_t> first_use_;  ///< by pattern, and the end
    std::unique_ptr<PatternMatcher> matcher_;
};

}  // namespace yagura::match
