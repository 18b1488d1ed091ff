// SPDX-License-Identifier: BSD-3-Clause
#include "rules/pattern.h"

#include <fmt/format.h>

#include "rules/fields.h"
#include "rules/json_document.h"
#include "rules/keys.h"

namespace yagura::rules {
namespace {

constexpr std::string_view kFlagWords =
    "flags are i (any case), s (. finds newlines), m (^ and $ at lines), 8 (UTF-8)";

bool* flag_of(char letter, Pattern& pattern) {
    switch (letter) {
        case 'i':
            return &pattern.caseless;
        case 's':
            return &pattern.dotall;
        case 'm':
            return &pattern.multiline;
        case '8':
            return &pattern.utf8;
        default:
            return nullptr;
    }
}

/// A path such as /etc/passwd reads as a regex with strange flags: say both ways out.
std::string flag_fix(std::string_view text) {
    return fmt::format("{}; to find the text itself: {}", kFlagWords, literal_as_regex_json(text));
}

void read_regex(std::string_view text, Pattern& pattern, const Place& place, ErrorList& errors) {
    const std::size_t end = text.rfind('/');
    if (end == 0) {
        errors.add(
            place, "begins with / and so is a regex, but no second / ends it",
            fmt::format("write /regex/flags; to find the text itself: {}", literal_as_regex_json(text)));
        return;
    }
    const std::string_view expression = text.substr(1, end - 1);
    if (expression.empty()) {
        errors.add(place, "the regex is empty and would match everything", "leave it out");
        return;
    }
    pattern.regex = true;
    pattern.bytes = expression;
    // The compiler takes a C string: a zero byte would end it there, in silence.
    if (expression.find('\0') != expression.npos) {
        errors.add(place, "the regex holds a zero byte", R"(write "\\x00")");
    }
    // One byte at a time: a flag can be any of the 256, and is reported once.
    for (const char letter : text.substr(end + 1)) {
        bool* const flag = flag_of(letter, pattern);
        if (flag == nullptr) {
            const std::string_view flags = text.substr(end + 1);
            errors.add(place, fmt::format("unknown flag in {}", in_quotes(flags)), flag_fix(text));
            return;
        }
        if (*flag) {
            errors.add(place, fmt::format("the flag {} stands twice", letter), flag_fix(text));
            return;
        }
        *flag = true;
    }
}

}  // namespace

std::string literal_as_regex_json(std::string_view text) {
    std::string regex = "/";
    for (const char c : text) {
        constexpr std::string_view kSpecial = "\\^$.[]|()?*+{}/";
        if (c == '\0') {
            regex += "\\x00";
            continue;
        }
        if (kSpecial.find(c) != kSpecial.npos) regex += '\\';
        regex += c;
    }
    regex += '/';
    return Json(regex).dump(-1, ' ', false, Json::error_handler_t::replace);
}

Pattern read_pattern(std::string_view text, const Place& place, ErrorList& errors) {
    Pattern pattern;
    pattern.text = text;
    if (text.empty()) {
        errors.add(place, "the pattern is empty and would match everything", "leave it out");
    } else if (text.front() == '/') {
        read_regex(text, pattern, place, errors);
    } else {
        pattern.bytes = text;
    }
    if (pattern.bytes.empty()) pattern.bytes = "?";  // an error was reported; see the declaration
    return pattern;
}

Pattern read_pattern_entry(const Json& value, const Place& place, ErrorList& errors) {
    if (const auto* text = value.get_ptr<const std::string*>()) return read_pattern(*text, place, errors);
    Pattern pattern{.text = "?", .bytes = "?"};
    const auto fields = Fields::open(value, place, kPatternKeys, "a pattern (a string or an object)",
                                     R"("/union\\s+select/i")", errors);
    if (!fields) return pattern;
    if (const auto text = fields->string("pattern")) {
        pattern = read_pattern(*text, fields->place("pattern"), errors);
    }
    pattern.direction = fields->choice("direction", kDirections).value_or(pattern.direction);
    const auto number = [&](std::string_view key, std::string_view meaning, std::uint64_t low) {
        const Json* given = fields->find(key);
        return given == nullptr
                   ? std::nullopt
                   : read_whole_number(*given, fields->place(key), meaning, low, kMaxPatternPlace, errors);
    };
    pattern.offset = number("offset", "an offset", 0).value_or(0);
    pattern.depth = number("depth", "a depth", 1);
    if (!pattern.regex && pattern.depth && *pattern.depth < pattern.bytes.size()) {
        errors.add(
            fields->place("depth"),
            fmt::format("{} bytes do not find room in a depth of {}", pattern.bytes.size(), *pattern.depth),
            fmt::format("at least {}, the length of the pattern", pattern.bytes.size()));
    }
    return pattern;
}

}  // namespace yagura::rules
