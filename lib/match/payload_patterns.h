// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "match/bits.h"
#include "match/compiled_rules.h"
#include "match/pattern_matcher.h"

namespace yagura::match {

/// The payload part of one rule: bits in a set that is kept for each flow, or for one packet. The first says
/// that nothing can change any more (the rule was reported, or a pattern of `payload_none` has hit); then one
/// for `payload` as a whole and one for each of `payload_all`, unless a single hit says it all.
struct PayloadRule {
    RuleIndex rule;
    std::uint32_t done;        ///< bit; the conditions' bits follow
    std::uint32_t conditions;  ///< how many have bits
    bool at_end;               ///< has `payload_none`: true at the end at the earliest
};

/// A place where a pattern stands.
struct PatternUse {
    std::uint32_t rule;       ///< index of a PayloadRule
    std::uint32_t condition;  ///< bit, if the rule's conditions have bits and the list is not kNone
    std::uint32_t entry;
    PatternList list;
    rules::Direction direction;
};

/// The payload parts of some rules: their different patterns, and for which rules each counts. Patterns that
/// differ by direction alone are one.
class PayloadConditions {
  public:
    /// `members`: which of `rules`, ascending. `asked_per_packet`: by rule; whether a hit may count in one
    /// packet and not in the next. Patterns that cannot be are appended to `errors`.
    PayloadConditions(std::span<const rules::Rule> rules, std::span<const RuleIndex> members,
                      const std::vector<bool>& asked_per_packet, std::vector<CompileError>& errors);

    bool empty() const { return rules_.empty(); }
    std::size_t pattern_count() const { return wanted_.size(); }
    std::size_t use_count() const { return uses_.size(); }
    /// Of the set of bits.
    std::size_t words() const { return (bits_ + 63) / 64; }
    std::span<const PayloadRule> rules() const { return rules_; }
    /// Those with `payload_none`: indices into rules().
    std::span<const std::uint32_t> at_end() const { return at_end_; }
    std::span<const PatternUse> uses(PatternIndex pattern) const {
        return {uses_.data() + first_use_[pattern], first_use_[pattern + 1] - first_use_[pattern]};
    }
    /// The payload part of a rule that has one here.
    const PayloadRule& of(RuleIndex rule) const {
        return *std::ranges::lower_bound(rules_, rule, {}, &PayloadRule::rule);
    }
    /// Whether a rule with `payload_none` is true, now that nothing more comes.
    bool holds_at_end(const PayloadRule& rule, Bits bits) const {
        return !bits.test(rule.done) && bits.all(rule.done + 1, rule.conditions);
    }
    /// Whether a hit counts, in a stream that has lost bytes or has not.
    bool counts(const PatternHit& hit, bool after_gap) const {
        const Spelling& spelling = wanted_[hit.pattern].spelling;
        return hit.after_gap == (after_gap && spelling.looks_back) && !(after_gap && spelling.positional);
    }

    /// Null when there are no patterns, and with errors, which are appended. Patterns that are wrong already
    /// are left out.
    std::unique_ptr<PatternMatcher> compile(PatternMatcher::Mode mode, HsScratch& prototype,
                                            DatabaseSource* source, std::vector<CompileError>& errors) const;

  private:
    struct Place {
        RuleIndex rule;
        PatternList list;
        std::uint32_t entry;
    };
    static CompileError error_at(const Place& place, const std::string& below, const std::string& reason,
                                 const std::string& fix);

    std::vector<PayloadRule> rules_;
    std::vector<std::uint32_t> at_end_;
    std::vector<PatternMatcher::Wanted> wanted_;  ///< by pattern
    std::vector<std::vector<Place>> places_;      ///< by pattern
    std::vector<PatternUse> uses_;                ///< those of one pattern are together
    std::vector<std::uint32_t> first_use_;        ///< by pattern, and the end
    std::uint32_t bits_ = 0;
};

/// Working memory of one thread.
struct PayloadScratch {
    PatternScratch patterns;
    std::vector<std::uint64_t> bits;  ///< of a packet by itself; zero between questions
    std::vector<PayloadHit> hits;     ///< of the last scan, when `trace`; capacity for all
    bool trace = false;
    bool died =
        false;  ///< in the last scan a rule did that was open: a pattern of its `payload_none` has hit
};

/// The patterns of all rules, compiled for each way in which they are looked for.
struct PayloadPatterns {
    /// With errors, which are appended, nothing must be asked. `source`: as for PatternMatcher::compile().
    PayloadPatterns(std::span<const rules::Rule> rules, const std::vector<bool>& asked_per_packet,
                    DatabaseSource* source, std::vector<CompileError>& errors);
    PayloadScratch make_scratch() const;

    PayloadConditions flow;    ///< rules of scope session and onward
    PayloadConditions packet;  ///< rules of scope packet
    HsScratch prototype;
    // Null where there are no patterns.
    std::unique_ptr<PatternMatcher> streams;    ///< of `flow`
    std::unique_ptr<PatternMatcher> datagrams;  ///< of `flow`
    std::unique_ptr<PatternMatcher> packets;    ///< of `packet`
};

}  // namespace yagura::match
