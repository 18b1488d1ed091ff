// SPDX-License-Identifier: BSD-3-Clause
#include "match/pattern_expression.h"

#include <fmt/core.h>
#include <hs.h>

#include <cstdlib>
#include <limits>
#include <optional>
#include <string_view>

namespace yagura::match {
namespace {

/// Hyperscan's bound on x{n}.
constexpr std::uint64_t kMaxRepeat = 32767;

struct Width {
    std::uint64_t min;
    std::uint64_t max;
};

/// The length of what is nothing but bytes, each a letter, a digit, or \xNN: of most patterns, and a hundred
/// times faster than Hyperscan says it.
std::optional<std::size_t> plain_width(const Expression& expression) {
    // Within Hyperscan's bounds of a pattern's length.
    constexpr std::size_t kMost = 4096;
    const std::string_view text = expression.text;
    if (text.empty() || text.size() > kMost || (expression.flags & HS_FLAG_UTF8) != 0) return std::nullopt;
    const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
    const auto is_hex = [&](char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); };
    std::size_t width = 0;
    for (std::size_t i = 0; i < text.size(); ++width) {
        if (text.substr(i).starts_with("\\x") && i + 3 < text.size() && is_hex(text[i + 2]) &&
            is_hex(text[i + 3])) {
            i += 4;
        } else if (is_digit(text[i]) || (text[i] >= 'a' && text[i] <= 'z') ||
                   (text[i] >= 'A' && text[i] <= 'Z')) {
            ++i;
        } else {
            return std::nullopt;
        }
    }
    return width;
}

/// Compiles to a graph at least; the reason if it does not.
std::variant<Width, std::string> width_of(const Expression& expression) {
    if (const auto plain = plain_width(expression)) return Width{*plain, *plain};
    hs_expr_info_t* raw_info = nullptr;
    hs_compile_error_t* raw_error = nullptr;
    if (hs_expression_info(expression.text.c_str(), expression.flags, &raw_info, &raw_error) != HS_SUCCESS) {
        std::string reason = raw_error != nullptr ? raw_error->message : "out of memory";
        hs_free_compile_error(raw_error);
        return reason;
    }
    const Width width{raw_info->min_width, raw_info->max_width};
    std::free(raw_info);
    return width;
}

/// \xNN throughout, so that no byte means anything.
std::string escaped(std::string_view bytes) {
    constexpr char kDigits[] = "0123456789abcdef";
    std::string text;
    text.reserve(bytes.size() * 4);
    for (const char c : bytes) {
        const auto byte = static_cast<unsigned char>(c);
        text += {'\\', 'x', kDigits[byte >> 4], kDigits[byte & 15]};
    }
    return text;
}

/// Errs on the side of yes. A ^ right behind an opening bracket negates a class; behind an escaped bracket it
/// does not, and in a class it does not matter what it is taken for.
bool may_look_back(std::string_view regex) {
    for (std::size_t i = 0; i < regex.size(); ++i) {
        if (regex[i] == '\\' && i + 1 < regex.size()) {
            ++i;
            if (std::string_view("AbBG").find(regex[i]) != std::string_view::npos) return true;
        } else if (regex[i] == '[' && i + 1 < regex.size() && regex[i + 1] == '^') {
            ++i;
        } else if (regex[i] == '^') {
            return true;
        }
    }
    return false;
}

/// The end of a class that begins at `i`, or npos where that is not plain to see.
std::size_t end_of_class(std::string_view regex, std::size_t i) {
    ++i;
    if (i < regex.size() && regex[i] == '^') ++i;
    if (i < regex.size() && regex[i] == ']') ++i;
    for (; i < regex.size() && regex[i] != ']'; ++i) {
        if (regex[i] == '\\') {
            ++i;
        } else if (regex[i] == '[') {
            return std::string_view::npos;  // [:alpha:], perhaps
        }
    }
    return i < regex.size() ? i : std::string_view::npos;
}

/// What follows in a regex of the form ^rest, with /m, where the ^ belongs to all of it. Nothing where that
/// is not plain to see.
std::optional<std::string_view> behind_line_start(std::string_view regex) {
    if (regex.size() < 2 || regex.front() != '^') return {};
    const std::string_view rest = regex.substr(1);
    if (std::string_view("*+?{").find(rest.front()) != std::string_view::npos) return {};
    unsigned depth = 0;
    for (std::size_t i = 0; i < rest.size(); ++i) {
        const char c = rest[i];
        if (c == '\\') {
            ++i;
            if (i < rest.size() && rest[i] == 'Q') return {};
        } else if (c == '[') {
            i = end_of_class(rest, i);
            if (i == std::string_view::npos) return {};
        } else if (c == '(') {
            const bool special = i + 1 < rest.size() && rest[i + 1] == '?';
            if (special && (i + 2 >= rest.size() || rest[i + 2] != ':')) return {};
            ++depth;
        } else if (c == ')') {
            if (depth == 0) return {};
            --depth;
        } else if (c == '|' && depth == 0) {
            return {};
        }
    }
    return rest;
}

/// The regex, for matches that begin at byte `offset` (at least 1) or later. Hyperscan has a bound for where
/// a match ends, none for where it begins, and takes no ^ but at the start.
std::string begins_at_or_after(const rules::Pattern& pattern, std::uint64_t offset) {
    // A newline ends a comment of (?x).
    if (pattern.multiline) {
        if (const auto rest = behind_line_start(pattern.bytes)) {
            return offset == 1 ? fmt::format("\\n(?:{})", *rest)
                               : fmt::format("\\A(?s:.{{{},}})\\n(?:{})", offset - 1, *rest);
        }
    }
    return fmt::format("\\A(?s:.{{{},}})(?:{})", offset, pattern.bytes);
}

std::optional<SpellingError> place_offset(const rules::Pattern& pattern, const Width& width,
                                          Expression& expression) {
    if (pattern.offset == 0) return {};
    if (width.min == width.max) {
        expression.min_offset = pattern.offset + width.max;
        return {};
    }
    if (pattern.utf8) {
        return SpellingError{
            "/offset", "the matches of this UTF-8 regex differ in length: an offset in bytes cannot be kept",
            "leave out the flag 8 and write bytes as \\xNN, or leave out the offset"};
    }
    if (pattern.offset > kMaxRepeat) {
        return SpellingError{
            "/offset",
            fmt::format("the matches of this regex differ in length: then Hyperscan takes an offset "
                        "of {} at most",
                        kMaxRepeat),
            "lower the offset, or make all matches equally long"};
    }
    expression.text = begins_at_or_after(pattern, pattern.offset);
    const auto known = width_of(expression);
    if (const auto* reason = std::get_if<std::string>(&known)) {
        return SpellingError{
            "/offset", "Hyperscan cannot do this regex with an offset: " + *reason,
            "a ^ must stand at the start, for the whole regex and with the flag m; or leave out the "
            "offset"};
    }
    return {};
}

}  // namespace

std::variant<Spelling, SpellingError> spell(const rules::Pattern& pattern) {
    Spelling spelling;
    Expression& expression = spelling.expression;
    spelling.utf8 = pattern.utf8;
    spelling.positional = pattern.offset != 0 || pattern.depth;
    if (!pattern.regex) {
        expression.text = escaped(pattern.bytes);
    } else {
        expression.text = pattern.bytes;
        expression.flags = (pattern.caseless ? HS_FLAG_CASELESS : 0u) |
                           (pattern.dotall ? HS_FLAG_DOTALL : 0u) |
                           (pattern.multiline ? HS_FLAG_MULTILINE : 0u) | (pattern.utf8 ? HS_FLAG_UTF8 : 0u);
        if (expression.text.find('\0') != std::string::npos) {
            return SpellingError{"", "a regular expression cannot contain a NUL character", "write \\x00"};
        }
        if (expression.text.starts_with("(*")) {
            return SpellingError{"", "a regular expression cannot begin with a verb",
                                 "for UTF-8, write the flag 8"};
        }
    }
    const auto known = width_of(expression);
    if (const auto* reason = std::get_if<std::string>(&known)) return SpellingError{"", *reason, ""};
    const Width width = std::get<Width>(known);
    if (width.min == 0) {
        return SpellingError{"", "matches the empty string, so it would hit every payload",
                             "make it need at least one byte"};
    }
    constexpr auto kHighest = std::numeric_limits<std::uint64_t>::max();
    if (pattern.offset > kHighest - width.max) {
        return SpellingError{"/offset", "no stream is that long", "lower the offset"};
    }
    if (auto error = place_offset(pattern, width, expression)) return *error;
    if (pattern.depth && *pattern.depth < kHighest - pattern.offset) {
        expression.max_offset = pattern.offset + *pattern.depth;
        if (*pattern.depth < width.min) {
            return SpellingError{"/depth", fmt::format("a match has at least {} bytes", width.min),
                                 "raise the depth"};
        }
    }
    spelling.looks_back = pattern.regex && may_look_back(pattern.bytes);
    if (spelling.looks_back && !spelling.positional && !pattern.utf8) {
        Expression later{begins_at_or_after(pattern, 1), expression.flags, 0, {}};
        if (std::holds_alternative<Width>(width_of(later))) spelling.after_gap = std::move(later);
    }
    return spelling;
}

}  // namespace yagura::match
