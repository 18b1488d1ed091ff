// SPDX-License-Identifier: BSD-3-Clause
#include "match/payload_patterns.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <tuple>
#include <utility>

namespace yagura::match {
namespace {

constexpr std::size_t kLists = 3;
constexpr std::array<const char*, kLists> kListNames = {"payload", "payload_all", "payload_none"};

const std::vector<rules::Pattern>& list_of(const rules::Rule& rule, PatternList list) {
    return list == PatternList::kAny   ? rule.payload
           : list == PatternList::kAll ? rule.payload_all
                                       : rule.payload_none;
}

std::vector<RuleIndex> payload_rules_of(std::span<const rules::Rule> rules, bool scope_packet) {
    std::vector<RuleIndex> members;
    for (RuleIndex i = 0; i < rules.size(); ++i) {
        const bool is_packet = rules[i].scope == rules::Scope::kPacket;
        if (rules[i].has_payload() && is_packet == scope_packet) members.push_back(i);
    }
    return members;
}

/// What makes patterns one for Hyperscan.
auto identity(const rules::Pattern& p) {
    return std::tuple(p.bytes, p.regex, p.caseless, p.dotall, p.multiline, p.utf8, p.offset, p.depth);
}

}  // namespace

CompileError PayloadConditions::error_at(const Place& place, const std::string& below,
                                         const std::string& reason, const std::string& fix) {
    return {place.rule,
            fmt::format("/{}/{}{}", kListNames[static_cast<std::size_t>(place.list)], place.entry, below),
            reason, fix};
}

PayloadConditions::PayloadConditions(std::span<const rules::Rule> rules, std::span<const RuleIndex> members,
                                     const std::vector<bool>& asked_per_packet,
                                     std::vector<CompileError>& errors) {
    std::map<decltype(identity(rules[0].payload[0])), std::size_t> known;
    std::vector<std::vector<PatternUse>> by_pattern;
    std::vector<const rules::Pattern*> patterns;
    for (const RuleIndex i : members) {
        const rules::Rule& rule = rules[i];
        const auto index = static_cast<std::uint32_t>(rules_.size());
        const std::uint32_t first = bits_ + 1;
        std::uint32_t next = first + (rule.payload.empty() ? 0 : 1);
        for (const PatternList list : {PatternList::kAny, PatternList::kAll, PatternList::kNone}) {
            const std::vector<rules::Pattern>& entries = list_of(rule, list);
            for (std::uint32_t entry = 0; entry < entries.size(); ++entry) {
                const rules::Pattern& p = entries[entry];
                const auto [found, is_new] = known.try_emplace(identity(p), patterns.size());
                if (is_new) {
                    patterns.push_back(&p);
                    places_.emplace_back();
                    by_pattern.emplace_back();
                }
                places_[found->second].push_back({i, list, entry});
                std::vector<PatternUse>& those = by_pattern[found->second];
                // An entry that is written twice counts once. This rule's uses are the last ones.
                const auto others = std::find_if(those.rbegin(), those.rend(),
                                                 [&](const PatternUse& use) { return use.rule != index; });
                const bool twice = std::any_of(those.rbegin(), others, [&](const PatternUse& use) {
                    return use.list == list && use.direction == p.direction;
                });
                if (twice) continue;
                those.push_back(
                    {index, list == PatternList::kAll ? next++ : first, entry, list, p.direction});
            }
        }
        const bool at_end = !rule.payload_none.empty();
        const bool one_hit = !at_end && next - first == 1;
        const std::uint32_t conditions = one_hit ? 0 : next - first;
        if (at_end) at_end_.push_back(index);
        rules_.push_back({i, bits_, conditions, at_end});
        bits_ += 1 + conditions;
    }
    wanted_.resize(patterns.size());
    for (std::size_t i = 0; i < patterns.size(); ++i) {
        first_use_.push_back(static_cast<std::uint32_t>(uses_.size()));
        uses_.insert(uses_.end(), by_pattern[i].begin(), by_pattern[i].end());
        wanted_[i].single = std::none_of(places_[i].begin(), places_[i].end(),
                                         [&](const Place& place) { return asked_per_packet[place.rule]; });
        auto spelling = spell(*patterns[i]);
        if (const auto* error = std::get_if<SpellingError>(&spelling)) {
            for (const Place& place : places_[i]) {
                errors.push_back(error_at(place, error->place, error->reason, error->fix));
            }
        } else {
            wanted_[i].spelling = std::get<Spelling>(std::move(spelling));
        }
    }
    first_use_.push_back(static_cast<std::uint32_t>(uses_.size()));
}

std::unique_ptr<PatternMatcher> PayloadConditions::compile(PatternMatcher::Mode mode, HsScratch& prototype,
                                                           DatabaseSource* source,
                                                           std::vector<CompileError>& errors) const {
    if (wanted_.empty()) return nullptr;
    PatternMatcher::Outcome outcome = PatternMatcher::compile(wanted_, mode, prototype, source);
    for (const PatternError& error : outcome.errors) {
        for (const Place& place : places_[error.pattern]) {
            errors.push_back(error_at(place, "", error.reason, error.fix));
        }
    }
    return std::move(outcome.matcher);
}

PayloadPatterns::PayloadPatterns(std::span<const rules::Rule> rules,
                                 const std::vector<bool>& asked_per_packet, DatabaseSource* source,
                                 std::vector<CompileError>& errors)
    : flow(rules, payload_rules_of(rules, false), asked_per_packet, errors),
      packet(rules, payload_rules_of(rules, true), asked_per_packet, errors) {
    // All that is wrong with patterns shows in one run; what does not compile as a stream is not tried in
    // blocks.
    const std::size_t before = errors.size();
    streams = flow.compile(PatternMatcher::Mode::kStreams, prototype, source, errors);
    packets = packet.compile(PatternMatcher::Mode::kBlocks, prototype, source, errors);
    if (errors.size() == before)
        datagrams = flow.compile(PatternMatcher::Mode::kBlocks, prototype, source, errors);
}

PayloadScratch PayloadPatterns::make_scratch() const {
    PayloadScratch scratch;
    scratch.patterns =
        PatternScratch(prototype.get(), std::max(flow.pattern_count(), packet.pattern_count()));
    scratch.bits.resize(std::max(flow.words(), packet.words()));
    return scratch;
}

}  // namespace yagura::match
