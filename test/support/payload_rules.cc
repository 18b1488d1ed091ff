// SPDX-License-Identifier: BSD-3-Clause
#include "support/payload_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace yagura::test {
namespace {

bool same(char a, char b, bool caseless) {
    if (!caseless) return a == b;
    return std::tolower(static_cast<unsigned char>(a)) == std::tolower(static_cast<unsigned char>(b));
}

bool stands_at(const std::string& bytes, std::size_t at, const std::string& word, bool caseless) {
    if (at > bytes.size() || bytes.size() - at < word.size()) return false;
    for (std::size_t i = 0; i < word.size(); ++i) {
        if (!same(bytes[at + i], word[i], caseless)) return false;
    }
    return true;
}

/// The ends of all matches that begin at `at`.
std::vector<std::size_t> ends_of(const WordPattern& pattern, const std::string& bytes, std::size_t at) {
    std::vector<std::size_t> ends;
    if (!stands_at(bytes, at, pattern.word, pattern.caseless)) return ends;
    const std::size_t end = at + pattern.word.size();
    if (pattern.then.empty()) return {end};
    for (std::size_t skip = 0; skip <= pattern.gap; ++skip) {
        if (stands_at(bytes, end + skip, pattern.then, pattern.caseless)) {
            ends.push_back(end + skip + pattern.then.size());
        }
    }
    return ends;
}

/// `cut`: the piece goes on behind its last byte, where stream_depth ended it.
bool found_in(const WordPattern& pattern, const std::string& bytes, bool cut) {
    const std::size_t last = pattern.at_start ? 0 : bytes.size();
    for (std::size_t at = pattern.offset; at <= last; ++at) {
        for (const std::size_t end : ends_of(pattern, bytes, at)) {
            if (pattern.depth && end > pattern.offset + *pattern.depth) continue;
            if (pattern.at_end && (end != bytes.size() || cut)) continue;
            return true;
        }
    }
    return false;
}

std::string list_json(const char* key, const std::vector<WordPattern>& patterns) {
    if (patterns.empty()) return "";
    std::string items;
    for (const WordPattern& pattern : patterns) items += (items.empty() ? "" : ", ") + pattern.json();
    return fmt::format(", \"{}\": [{}]", key, items);
}

/// A direction's bytes that the inspection reaches, and whether there are more.
struct Reached {
    Payload payload;
    std::array<bool, 2> cut = {false, false};
};

Reached reached(const Payload& payload, std::optional<std::uint64_t> depth) {
    Reached result{.payload = payload};
    if (!depth) return result;
    for (const Way way : kBothWays) {
        auto& pieces = result.payload.pieces[index_of(way)];
        if (pieces.size() == 1 && pieces[0].size() > *depth) {
            pieces[0].resize(*depth);
            result.cut[index_of(way)] = true;
        }
    }
    return result;
}

bool found_of(const WordPattern& pattern, const Reached& r, Way way) {
    if (pattern.way && *pattern.way != way) return false;
    return std::ranges::any_of(r.payload.pieces[index_of(way)], [&](const std::string& piece) {
        return found_in(pattern, piece, r.cut[index_of(way)]);
    });
}

bool matches_of(const WordRule& rule, const Reached& r) {
    const auto found = [&](const WordPattern& pattern) {
        return std::ranges::any_of(
            kBothWays, [&](Way way) { return (!rule.way || *rule.way == way) && found_of(pattern, r, way); });
    };
    return (rule.any.empty() || std::ranges::any_of(rule.any, found)) &&
           std::ranges::all_of(rule.all, found) && std::ranges::none_of(rule.none, found);
}

}  // namespace

std::string WordPattern::json() const {
    const bool regex = caseless || at_start || at_end || !then.empty();
    std::string text = word;
    if (!then.empty()) text += fmt::format(".{{0,{}}}{}", gap, then);
    if (regex) {
        text = fmt::format("/{}{}{}/{}{}", at_start ? "^" : "", text, at_end ? "$" : "", caseless ? "i" : "",
                           then.empty() ? "" : "s");
    }
    text = '"' + text + '"';
    if (!way && offset == 0 && !depth) return text;
    text = "{\"pattern\": " + text;
    if (way) {
        text += fmt::format(", \"direction\": \"{}\"", *way == Way::kToServer ? "to_server" : "to_client");
    }
    if (offset != 0) text += fmt::format(", \"offset\": {}", offset);
    if (depth) text += fmt::format(", \"depth\": {}", *depth);
    return text + "}";
}

std::string WordRule::json(unsigned id) const {
    const char* side = !way ? "" : *way == Way::kToServer ? "dst " : "src ";
    const std::string action = drop ? "\"drop\": true" : fmt::format("\"forward\": [\"{}\"]", tool);
    return fmt::format("{{\"id\": {}, \"filter\": \"{}port {}\"{}{}{}, {}}}", id, side, kServerPort,
                       list_json("payload", any), list_json("payload_all", all),
                       list_json("payload_none", none), action);
}

std::string rules_json(const std::vector<WordRule>& rules) {
    std::string text;
    for (unsigned i = 0; i < rules.size(); ++i) text += (i == 0 ? "[" : ",\n ") + rules[i].json(i + 1);
    return text + "]";
}

unsigned tools_of(const std::vector<WordRule>& rules, const Payload& payload,
                  std::optional<std::uint64_t> stream_depth) {
    const Reached r = reached(payload, stream_depth);
    unsigned tools = 0;
    for (const WordRule& rule : rules) {
        if (!matches_of(rule, r)) continue;
        if (rule.drop) break;
        tools |= 1u << (rule.tool - 'a');
    }
    return tools;
}

const std::vector<RuleList>& rule_lists() {
    static const WordPattern n{.word = kNeedles[0]};
    static const WordPattern q{.word = kNeedles[1]};
    static const WordPattern p{.word = kNeedles[2]};
    const auto to = [](WordPattern pattern, Way way) {
        pattern.way = way;
        return pattern;
    };
    const auto placed = [](WordPattern pattern, std::uint64_t offset, std::optional<std::uint64_t> depth) {
        pattern.offset = offset;
        pattern.depth = depth;
        return pattern;
    };
    const auto start = [](WordPattern pattern) {
        pattern.at_start = true;
        return pattern;
    };
    const auto end = [](WordPattern pattern) {
        pattern.at_end = true;
        return pattern;
    };
    const auto caseless = [](WordPattern pattern) {
        pattern.caseless = true;
        return pattern;
    };
    const auto near = [](WordPattern pattern, const char* then, std::uint32_t gap) {
        pattern.then = then;
        pattern.gap = gap;
        return pattern;
    };
    constexpr Way kS = Way::kToServer;
    constexpr Way kC = Way::kToClient;
    static const std::vector<RuleList> lists = {
        {"any, all, none",
         {{.any = {n, q}, .tool = 'a'},
          {.all = {n, q}, .tool = 'b'},
          {.none = {n}, .tool = 'c'},
          {.all = {n}, .none = {q, p}, .tool = 'd'}}},
        {"directions",
         {{.any = {to(n, kS)}, .tool = 'a'},
          {.all = {to(n, kS), to(q, kC)}, .tool = 'b'},
          {.none = {to(n, kC)}, .tool = 'c'},
          {.any = {n, p}, .tool = 'd', .way = kC}}},
        {"anchors and case",
         {{.any = {start(n), start(q)}, .tool = 'a'},
          {.any = {end(n), end(p)}, .tool = 'b'},
          {.any = {caseless(n), to(start(p), kC)}, .tool = 'c'},
          {.all = {caseless(q)}, .none = {end(q)}, .tool = 'd'}}},
        {"places",
         {{.any = {placed(n, 16, {}), placed(q, 3, 200)}, .tool = 'a'},
          {.any = {placed(p, 0, 64)}, .tool = 'b'},
          {.all = {placed(to(caseless(n), kS), 0, 300)}, .tool = 'c'},
          {.any = {near(n, kNeedles[1], 300), near(caseless(p), "q", 200)}, .tool = 'd'}}},
        {"a drop before forwards",
         {{.any = {q}, .drop = true}, {.any = {n}, .tool = 'a'}, {.tool = 'b'}, {.none = {p}, .tool = 'c'}}},
        {"forwards before a drop",
         {{.any = {n}, .tool = 'a'},
          {.all = {q, p}, .drop = true},
          {.any = {p}, .tool = 'b'},
          {.none = {q}, .tool = 'c'},
          {.tool = 'd'}}},
    };
    return lists;
}

}  // namespace yagura::test
