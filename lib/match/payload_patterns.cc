// SPDX-License-Identifier: BSD-3-Clause
#include "match/payload_patterns.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <string>
#include <tuple>
#include <utility>

namespace yagura::match {
namespace {

/// Where a pattern stands.
struct Place {
    RuleIndex rule;
    bool any;
    std::size_t entry;
};

/// The different patterns of all rules, and where each stands.
class DistinctPatterns {
  public:
    explicit DistinctPatterns(std::span<const rules::Rule> rules) {
        for (RuleIndex i = 0; i < rules.size(); ++i) {
            add(rules[i].payload, i, true);
            add(rules[i].payload_all, i, false);
        }
    }

    std::vector<rules::Pattern> patterns;
    std::vector<std::vector<Place>> places;  ///< by pattern

  private:
    void add(const std::vector<rules::Pattern>& list, RuleIndex rule, bool any) {
        for (std::size_t entry = 0; entry < list.size(); ++entry) {
            const rules::Pattern& p = list[entry];
            const auto [known, is_new] = index_.try_emplace(
                std::tuple(p.bytes, p.regex, p.caseless, p.dotall, p.multiline, p.utf8), patterns.size());
            if (is_new) {
                patterns.push_back(p);
                places.emplace_back();
            }
            places[known->second].push_back({rule, any, entry});
        }
    }

    std::map<std::tuple<std::string, bool, bool, bool, bool, bool>, std::size_t> index_;
};

}  // namespace

PayloadPatterns::PayloadPatterns(std::span<const rules::Rule> rules, std::vector<CompileError>& errors) {
    const DistinctPatterns list(rules);
    if (list.patterns.empty()) return;

    std::vector<std::uint32_t> conditions_of_rule(rules.size());
    for (RuleIndex i = 0; i < rules.size(); ++i) {
        if (!rules[i].has_payload()) continue;
        conditions_of_rule[i] = static_cast<std::uint32_t>(conditions_.size());
        conditions_.push_back({i, rules[i].payload.empty() ? 0u : 1u});
    }
    for (const std::vector<Place>& places : list.places) {
        first_use_.push_back(static_cast<std::uint32_t>(uses_.size()));
        // Places ascend by rule, `payload` before `payload_all`; an entry that is written twice counts once.
        for (std::size_t i = 0; i < places.size(); ++i) {
            const Place& place = places[i];
            if (i > 0 && places[i - 1].rule == place.rule && places[i - 1].any == place.any) continue;
            const std::uint32_t conditions = conditions_of_rule[place.rule];
            uses_.push_back({conditions, place.any});
            if (!place.any) ++conditions_[conditions].count;
        }
    }
    first_use_.push_back(static_cast<std::uint32_t>(uses_.size()));

    PatternMatcher::Outcome outcome = PatternMatcher::compile(list.patterns);
    for (const PatternError& error : outcome.errors) {
        for (const Place& place : list.places[error.pattern]) {
            errors.push_back({place.rule,
                              fmt::format("/{}/{}", place.any ? "payload" : "payload_all", place.entry),
                              error.reason, error.fix});
        }
    }
    matcher_ = std::move(outcome.matcher);
}

PayloadScratch PayloadPatterns::make_scratch() const {
    PayloadScratch scratch;
    if (matcher_) scratch.patterns = matcher_->make_scratch();
    scratch.states.resize(conditions_.size());
    scratch.found.reserve(conditions_.size());
    return scratch;
}

std::span<const RuleIndex> PayloadPatterns::scan(base::Bytes data, PayloadScratch& scratch) const {
    scratch.found.clear();
    if (!matcher_) return {};
    if (++scratch.stamp == 0) {
        std::fill(scratch.states.begin(), scratch.states.end(), PayloadScratch::RuleState{});
        scratch.stamp = 1;
    }
    for (const PatternIndex pattern : matcher_->scan(data, *scratch.patterns)) {
        for (std::uint32_t i = first_use_[pattern]; i < first_use_[pattern + 1]; ++i) {
            const Use& use = uses_[i];
            PayloadScratch::RuleState& state = scratch.states[use.conditions];
            if (state.stamp != scratch.stamp) {
                state = {scratch.stamp, conditions_[use.conditions].count, false};
            }
            if (use.any && std::exchange(state.any_hit, true)) continue;
            if (--state.missing == 0) scratch.found.push_back(conditions_[use.conditions].rule);
        }
    }
    return scratch.found;
}

}  // namespace yagura::match
