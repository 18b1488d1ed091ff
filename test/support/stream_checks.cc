// SPDX-License-Identifier: BSD-3-Clause
#include "support/stream_checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>

#include "match/payload_states.h"
#include "support/pcre_reference.h"

namespace yagura::test {
namespace {

using match::RuleIndex;
using RuleSet = std::set<RuleIndex>;

/// Draws a regex over few letters, so that it has a chance to be found.
class RegexGenerator {
  public:
    RegexGenerator(Choices& choices, bool utf8) : choices_(choices), utf8_(utf8) {}

    std::string draw() {
        static constexpr const char* kFirst[] = {"",    "",    "",    "",        "^",        "^",
                                                 "\\A", "\\b", "\\B", "(?:^|b)", "(?:\\b|c)"};
        static constexpr const char* kLast[] = {"", "", "", "", "$", "$", "\\z", "\\Z", "\\b", "(?:$|b)"};
        return choices_.any_of(kFirst) + alternatives(2) + choices_.any_of(kLast);
    }

  private:
    std::string alternatives(unsigned depth) {
        std::string text = sequence(depth);
        while (choices_.one_in(5)) text += "|" + sequence(depth);
        return text;
    }
    std::string sequence(unsigned depth) {
        std::string text = item(depth);
        while (!choices_.one_in(3) && text.size() < 40) text += item(depth);
        return text;
    }
    std::string item(unsigned depth) {
        static constexpr const char* kTimes[] = {"",  "",  "",    "",      "",     "?",
                                                 "*", "+", "{2}", "{1,3}", "{2,}", "+?"};
        return atom(depth) + choices_.any_of(kTimes);
    }
    std::string atom(unsigned depth) {
        static constexpr const char* kAtoms[] = {"a",     "b",      "c",     "A",          "\\n", " ",
                                                 ".",     "[ab]",   "[^a]",  "\\s",        "\\w", "\\W",
                                                 "\\x00", "[^\\n]", "[a-c]", "[[:upper:]]"};
        if (depth > 0 && choices_.one_in(6)) {
            return (choices_.one_in(2) ? "(" : "(?:") + alternatives(depth - 1) + ")";
        }
        if (utf8_ && choices_.one_in(3)) return choices_.one_in(2) ? "\xc3\xa9" : "\xc3\x89";
        return choices_.any_of(kAtoms);
    }

    Choices& choices_;
    bool utf8_;
};

std::string draw_stream(Choices& choices, bool utf8) {
    static constexpr std::string_view kLetters = "aaabbbcccA \n\n";
    std::string stream;
    for (std::uint32_t left = choices.below(40); left > 0; --left) {
        if (choices.one_in(24)) {
            stream += '\0';
        } else if (utf8 && choices.one_in(4)) {
            stream += choices.one_in(2) ? "\xc3\xa9" : "\xc3\x89";
        } else {
            stream += kLetters[choices.below(kLetters.size())];
        }
    }
    return stream;
}

rules::Pattern draw_pattern(Choices& choices, bool utf8, const std::string& stream) {
    rules::Pattern pattern;
    pattern.regex = !choices.one_in(6);
    pattern.utf8 = utf8 && pattern.regex;
    if (pattern.regex) {
        pattern.bytes = RegexGenerator(choices, pattern.utf8).draw();
        pattern.caseless = choices.one_in(3);
        pattern.dotall = choices.one_in(2);
        pattern.multiline = choices.one_in(2);
    } else {
        const auto from = choices.below(static_cast<std::uint32_t>(stream.size()));
        pattern.bytes = stream.substr(std::min<std::size_t>(from, stream.size()), 1 + choices.below(4));
        if (pattern.bytes.empty()) pattern.bytes = "b";
    }
    if (choices.one_in(4)) pattern.offset = choices.below(12);
    if (choices.one_in(4)) pattern.depth = 1 + choices.below(16);
    pattern.text =
        fmt::format("/{}/{}{}{}{}", pattern.bytes, pattern.caseless ? "i" : "", pattern.dotall ? "s" : "",
                    pattern.multiline ? "m" : "", pattern.utf8 ? "8" : "");
    return pattern;
}

rules::Rule rule_with(const rules::Pattern& pattern) {
    rules::Rule rule;
    rule.payload = {pattern};
    rule.forward = {0};
    return rule;
}

base::Bytes bytes(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

/// The rules, and a flow on which they are asked.
class Subject {
  public:
    explicit Subject(std::shared_ptr<const match::CompiledRules> rules)
        : rules_(rules), scratch_(rules->make_scratch()), states_(rules, rules->state_bytes()) {}

    void begin() {
        state_ = states_.acquire();
        found_.clear();
        position_ = 0;
    }
    RuleSet end() {
        note(rules_->end_stream(states_, state_, 0, context(), *scratch_));
        states_.release(state_);
        return found_;
    }
    void scan(std::string_view piece) {
        note(rules_->scan_stream(states_, state_, 0, bytes(piece), context(), *scratch_));
        position_ += piece.size();
    }
    void gap() { rules_->stream_gap(states_, state_, 0); }
    RuleSet datagram(std::string_view data) {
        begin();
        note(rules_->scan_datagram(states_, state_, bytes(data), context(), *scratch_));
        states_.release(state_);
        return found_;
    }
    RuleSet packet(std::string_view data) {
        const net::ParsedPacket parsed{};
        const match::PacketView view{bytes(data), static_cast<std::uint32_t>(data.size()), &parsed,
                                     static_cast<std::uint32_t>(data.size())};
        found_.clear();
        note(rules_->payload_rules(view, bytes(data), limit(), *scratch_));
        return found_;
    }
    const RuleSet& found() const { return found_; }
    /// A rule came twice.
    bool repeated() const { return repeated_; }

  private:
    RuleIndex limit() const { return static_cast<RuleIndex>(rules_->size()); }
    match::ScanContext context() const {
        return {key_, nullptr, rules::Direction::kToServer, limit(), position_};
    }
    void note(std::span<const RuleIndex> rules) {
        for (const RuleIndex rule : rules) repeated_ |= !found_.insert(rule).second;
    }

    std::shared_ptr<const match::CompiledRules> rules_;
    match::MatchScratchPtr scratch_;
    match::PayloadStates states_;
    match::StateIndex state_ = match::PayloadStates::kNone;
    net::FlowKey key_;
    RuleSet found_;
    std::uint64_t position_ = 0;
    bool repeated_ = false;
};

std::string quoted(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c >= ' ' && c <= '~') {
            out += c;
        } else {
            out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
        }
    }
    return '"' + out + '"';
}

struct Case {
    std::vector<rules::Pattern> patterns;
    std::vector<std::unique_ptr<PcreReference>> references;
    std::string stream;
};

std::string describe(const Case& all, RuleIndex rule, const std::string& how, bool found) {
    const rules::Pattern& p = all.patterns[rule];
    return fmt::format("{} of {} patterns, offset {}, depth {}, is {}found in {} {}", quoted(p.text),
                       all.patterns.size(), p.offset, p.depth ? std::to_string(*p.depth) : "none",
                       found ? "" : "not ", quoted(all.stream), how);
}

/// The first difference.
std::string compare(const Case& all, const RuleSet& found, const RuleSet& expected, const std::string& how) {
    for (RuleIndex rule = 0; rule < all.patterns.size(); ++rule) {
        if (found.contains(rule) != expected.contains(rule))
            return describe(all, rule, how, found.contains(rule));
    }
    return {};
}

bool looks_back(const rules::Pattern& p) {
    if (!p.regex) return false;
    return p.bytes.find("(?:^") != p.bytes.npos || p.bytes.starts_with("^") ||
           p.bytes.find("\\A") != p.bytes.npos || p.bytes.find("\\b") != p.bytes.npos ||
           p.bytes.find("\\B") != p.bytes.npos;
}

/// What was found behind a gap is there whatever byte stood before; what asks nothing of that byte is found.
std::string check_gap(const Case& all, std::size_t cut, const RuleSet& before, const RuleSet& after,
                      StreamCheckCounts& counts) {
    const std::string rest = all.stream.substr(cut);
    for (RuleIndex rule = 0; rule < all.patterns.size(); ++rule) {
        const rules::Pattern& p = all.patterns[rule];
        if (before.contains(rule)) continue;
        ++counts.gaps;
        const bool found = after.contains(rule);
        if (found) ++counts.found_late;
        const bool placed = p.offset != 0 || p.depth;
        bool certain = !placed;
        for (const char unknown : {'a', ' ', '\n', '\0'}) {
            certain = certain && all.references[rule]->found(unknown + rest, 1, std::string::npos);
        }
        const bool must = certain && !looks_back(p);
        if (found ? !certain : must)
            return describe(all, rule, fmt::format("behind a gap before byte {}", cut), found);
    }
    return {};
}

}  // namespace

std::string check_streams(Choices& choices, StreamCheckCounts& counts) {
    const bool utf8 = choices.one_in(6);
    Case all;
    all.stream = draw_stream(choices, utf8);
    std::vector<rules::Rule> rules;
    for (std::uint32_t left = 1 + choices.below(4); left > 0; --left) {
        rules::Pattern pattern = draw_pattern(choices, utf8, all.stream);
        const rules::Rule rule = rule_with(pattern);
        if (!match::CompiledRules::compile(std::span(&rule, 1), net::LinkType::kEthernet).rules) {
            ++counts.refused;
            continue;
        }
        auto reference = PcreReference::compile(pattern);
        if (!reference) return "PCRE2 refuses what we take: " + quoted(pattern.text);
        counts.placed += pattern.offset != 0 || pattern.depth ? 1 : 0;
        rules.push_back(rule);
        all.patterns.push_back(std::move(pattern));
        all.references.push_back(std::move(reference));
    }
    if (rules.empty()) return {};
    const auto compiled = match::CompiledRules::compile(rules, net::LinkType::kEthernet);
    if (!compiled.rules) return "patterns that compile alone do not compile together";
    Subject subject(compiled.rules);

    RuleSet expected;
    for (RuleIndex rule = 0; rule < rules.size(); ++rule) {
        if (all.references[rule]->found(all.stream)) expected.insert(rule);
    }
    counts.cases += rules.size();
    counts.found += expected.size();

    const std::string_view stream = all.stream;
    const auto scan_cut = [&](auto&& piece_size) {
        subject.begin();
        for (std::size_t at = 0; at < stream.size();) {
            const std::string_view piece = stream.substr(at, piece_size());
            subject.scan(piece);
            at += piece.size();
        }
        return subject.end();
    };
    std::string wrong = compare(all, scan_cut([&] { return stream.size(); }), expected, "in one piece");
    if (wrong.empty()) wrong = compare(all, scan_cut([] { return 1u; }), expected, "byte by byte");
    for (unsigned round = 0; wrong.empty() && round < 3; ++round) {
        wrong = compare(all, scan_cut([&] { return 1 + choices.below(9); }), expected, "in random pieces");
    }
    for (std::size_t cut = 1; wrong.empty() && cut < stream.size(); ++cut) {
        std::size_t next = cut;
        wrong = compare(all, scan_cut([&] { return std::exchange(next, stream.size()); }), expected,
                        fmt::format("cut before byte {}", cut));
    }
    if (wrong.empty()) wrong = compare(all, subject.datagram(stream), expected, "as a datagram");
    if (wrong.empty()) wrong = compare(all, subject.packet(stream), expected, "as a packet");
    if (wrong.empty() && !utf8 && stream.size() > 1) {
        const std::size_t cut = 1 + choices.below(static_cast<std::uint32_t>(stream.size()) - 1);
        subject.begin();
        subject.scan(stream.substr(0, cut));
        const RuleSet before = subject.found();
        subject.gap();
        for (const char c : stream.substr(cut)) subject.scan({&c, 1});
        wrong = check_gap(all, cut, before, subject.end(), counts);
    }
    if (wrong.empty() && subject.repeated()) wrong = "a rule was reported twice for a flow";
    return wrong;
}

}  // namespace yagura::test
