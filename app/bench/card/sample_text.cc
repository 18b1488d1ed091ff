// SPDX-License-Identifier: BSD-3-Clause
#include "app/bench/card/sample_text.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <string_view>

namespace yagura::bench {
namespace {

/// What a negated class is tried with, in this order.
constexpr std::string_view kOrdinary = "a0 Z-~";
constexpr unsigned kMostRepeats = 4096;

using Bytes256 = std::array<bool, 256>;

std::uint8_t byte(char c) {
    return static_cast<std::uint8_t>(c);
}

/// Reads an expression and writes what it finds, in one pass. Of an alternation the first branch counts.
class Sampler {
  public:
    explicit Sampler(std::string_view expression) : rest_(expression) {}

    std::optional<std::string> run() {
        std::string text = alternatives(0);
        if (failed_ || !rest_.empty()) return std::nullopt;
        return text;
    }

  private:
    static constexpr unsigned kDeepest = 64;

    std::string fail() {
        failed_ = true;
        rest_ = {};
        return {};
    }
    bool take(char c) {
        if (rest_.empty() || rest_.front() != c) return false;
        rest_.remove_prefix(1);
        return true;
    }
    bool take(std::string_view text) {
        if (!rest_.starts_with(text)) return false;
        rest_.remove_prefix(text.size());
        return true;
    }

    std::string alternatives(unsigned depth) {
        if (depth > kDeepest) return fail();
        std::string first = sequence(depth);
        while (take('|')) sequence(depth);
        return first;
    }
    std::string sequence(unsigned depth) {
        std::string text;
        while (!rest_.empty() && rest_.front() != '|' && rest_.front() != ')') {
            const std::string piece = atom(depth);
            const unsigned times = repeats();
            for (unsigned i = 0; i < times && !failed_; ++i) text += piece;
        }
        return text;
    }

    std::string atom(unsigned depth) {
        const char c = rest_.front();
        rest_.remove_prefix(1);
        switch (c) {
            case '^':
            case '$':
                return {};
            case '.':
                return "a";
            case '(':
                return group(depth);
            case '[':
                return bracket();
            case '\\':
                return escape();
            case '*':
            case '+':
            case '?':
                return fail();
            default:
                return {c};
        }
    }

    std::string group(unsigned depth) {
        if (take('?')) {
            // (?:...), (?i), (?i:...): flags only widen what is found.
            while (!rest_.empty() && (std::isalpha(byte(rest_.front())) || rest_.front() == '-'))
                rest_.remove_prefix(1);
            if (take(')')) return {};
            if (!take(':')) return fail();
        }
        std::string text = alternatives(depth + 1);
        if (!take(')')) return fail();
        return text;
    }

    unsigned repeats() {
        unsigned times = 1;
        if (take('*') || take('?')) {
            times = 0;
        } else if (take('+')) {
            times = 1;
        } else if (rest_.starts_with('{') && rest_.size() > 1 && std::isdigit(byte(rest_[1])) != 0) {
            const auto [end, error] = std::from_chars(rest_.data() + 1, rest_.data() + rest_.size(), times);
            const std::size_t close = rest_.find('}');
            if (error != std::errc{} || close == rest_.npos || times > kMostRepeats) {
                fail();
                return 0;
            }
            rest_.remove_prefix(close + 1);
        } else {
            return 1;
        }
        take('?');  // lazy
        return times;
    }

    static void add_class(char name, Bytes256& set) {
        const auto holds = [name](int c) {
            switch (std::tolower(name)) {
                case 'd':
                    return std::isdigit(c) != 0;
                case 'w':
                    return std::isalnum(c) != 0 || c == '_';
                case 's':
                    return std::isspace(c) != 0;
                default:
                    return c == ' ' || c == '\t';  // h
            }
        };
        const bool negated = std::isupper(byte(name)) != 0;
        for (int c = 0; c < 128; ++c) set[static_cast<std::size_t>(c)] |= holds(c) != negated;
    }
    static std::string pick(const Bytes256& set) {
        for (const char c : kOrdinary) {
            if (set[byte(c)]) return {c};
        }
        const auto found = std::ranges::find(set, true);
        if (found == set.end()) return {};
        return {static_cast<char>(found - set.begin())};
    }

    /// The byte that an escape stands for, when it stands for one.
    std::optional<char> escaped_byte(char c) {
        switch (c) {
            case 'n':
                return '\n';
            case 'r':
                return '\r';
            case 't':
                return '\t';
            case 'f':
                return '\f';
            case 'a':
                return '\a';
            case 'e':
                return '\x1b';
            case '0':
                return '\0';
            case 'x':
                return hexadecimal();
            default:
                if (std::isalnum(byte(c)) != 0) return std::nullopt;
                return c;
        }
    }
    char hexadecimal() {
        const bool braces = take('{');
        unsigned value = 0;
        const std::size_t most = braces ? rest_.size() : std::min<std::size_t>(2, rest_.size());
        const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + most, value, 16);
        if (error != std::errc{}) {
            value = 0;
            if (braces) fail();
        }
        rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
        if ((braces && !take('}')) || value > 0xff) fail();
        return static_cast<char>(value);
    }
    static bool is_class(char c) { return std::string_view("dDwWsShH").find(c) != std::string_view::npos; }

    std::string escape() {
        if (rest_.empty()) return fail();
        const char c = rest_.front();
        rest_.remove_prefix(1);
        if (std::string_view("bBAzZ").find(c) != std::string_view::npos) return {};
        if (c == 'R') return "\n";
        if (is_class(c)) {
            Bytes256 set{};
            add_class(c, set);
            return pick(set);
        }
        if (const auto value = escaped_byte(c)) return {*value};
        return fail();
    }

    std::string bracket() {
        const bool negated = take('^');
        Bytes256 set{};
        bool first = true;
        while (!rest_.empty() && (first || rest_.front() != ']')) {
            first = false;
            if (take("[:")) return fail();
            const std::optional<char> low = bracket_byte(set);
            if (!low || rest_.size() < 2 || rest_[0] != '-' || rest_[1] == ']') {
                if (low) set[byte(*low)] = true;
                continue;
            }
            rest_.remove_prefix(1);
            const std::optional<char> high = bracket_byte(set);
            if (!high || byte(*high) < byte(*low)) return fail();
            for (unsigned b = byte(*low); b <= byte(*high); ++b) set[b] = true;
        }
        if (!take(']')) return fail();
        if (negated) {
            for (bool& in : set) in = !in;
        }
        std::string text = pick(set);
        return text.empty() ? fail() : text;
    }
    /// A class joins the set instead.
    std::optional<char> bracket_byte(Bytes256& set) {
        char c = rest_.front();
        rest_.remove_prefix(1);
        if (c != '\\' || rest_.empty()) return c;
        c = rest_.front();
        rest_.remove_prefix(1);
        if (is_class(c)) {
            add_class(c, set);
            return std::nullopt;
        }
        if (c == 'b') return '\b';
        const auto value = escaped_byte(c);
        if (!value) fail();
        return value;
    }

    std::string_view rest_;
    bool failed_ = false;
};

}  // namespace

std::optional<std::string> sample_of(const rules::Pattern& pattern) {
    if (!pattern.regex) return pattern.bytes;
    return Sampler(pattern.bytes).run();
}

}  // namespace yagura::bench
