// SPDX-License-Identifier: BSD-3-Clause
#include "rules/pattern.h"

#include <catch2/catch.hpp>
#include <string>

#include "rules/json_document.h"
#include "rules/keys.h"

namespace yagura::rules {
namespace {

using namespace std::string_literals;

Pattern regex(std::string text, std::string bytes, std::string_view flags) {
    const auto has = [flags](char flag) { return flags.find(flag) != flags.npos; };
    return {.text = std::move(text),
            .regex = true,
            .bytes = std::move(bytes),
            .caseless = has('i'),
            .dotall = has('s'),
            .multiline = has('m'),
            .utf8 = has('8')};
}
Pattern literal(std::string text) {
    return {.text = text, .bytes = text};
}

TEST_CASE("an entry is a literal, or a regex when it begins with a slash") {
    const Pattern rows[] = {
        literal("a"),
        literal("union select"),
        literal("a/b/i"),
        literal(" /a/"),
        literal("\\x41"),  // a backslash is nothing special in a literal
        literal("\xe6\xab\x93"),
        literal("a\0b"s),
        regex("/a/", "a", ""),
        regex("/a/i", "a", "i"),
        regex("/a/8msi", "a", "ismi8"),
        regex("/a/b/", "a/b", ""),  // the last slash ends it
        regex("/a\\/b/s", "a\\/b", "s"),
        regex("///", "/", ""),
        regex("/\\//", "\\/", ""),
        regex("/\\x00\\xff/", "\\x00\\xff", ""),
        regex("/ /", " ", ""),
        regex("/a|/m", "a|", "m"),  // whether it may match nothing is not asked here
    };
    for (const Pattern& row : rows) {
        CAPTURE(row.text);
        ErrorList errors;
        CHECK(read_pattern(row.text, {}, errors) == row);
        CHECK(errors.take().empty());
    }
}

TEST_CASE("an entry that is neither is an error that says what to write") {
    struct Row {
        std::string text;
        std::string reason;
        std::string fix;
    };
    const Row rows[] = {
        {"", "empty", "leave it out"},
        {"/", "no second /", R"("/\\//")"},
        {"/index.html", "no second /", R"("/\\/index\\.html/")"},
        {"//", "regex is empty", "leave it out"},
        {"//i", "regex is empty", "leave it out"},
        {"/a/x", "unknown flag in \"x\"", "i (any case)"},
        {"/a/I", "unknown flag", "i (any case)"},
        {"/a/i ", "unknown flag", "i (any case)"},
        {"/a/ii", "flag i stands twice", "i (any case)"},
        {"/a/isi", "flag i stands twice", "i (any case)"},
        {"/a/i\xc3\xa9", "unknown flag", "8 (UTF-8)"},
        {"/etc/passwd", "unknown flag in \"passwd\"", R"("/\\/etc\\/passwd/")"},
        {"/a\0b/"s, "zero byte", R"(\\x00)"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.text);
        ErrorList list;
        const Place document;
        const Pattern stand_in = read_pattern(row.text, Place(document, "payload"), list);
        CHECK(stand_in.text == row.text);
        CHECK_FALSE(stand_in.bytes.empty());
        const auto errors = list.take();
        REQUIRE(errors.size() == 1);
        CHECK(errors[0].pointer == "/payload");
        CHECK_THAT(errors[0].reason, Catch::Contains(row.reason));
        CHECK_THAT(errors[0].fix, Catch::Contains(row.fix));
    }
}

TEST_CASE("an entry may say where the pattern may stand") {
    Pattern placed = regex("/ab?/i", "ab?", "i");
    placed.direction = Direction::kToClient;
    placed.offset = kMaxPatternPlace;
    placed.depth = 1;  // of a regex, nobody asks for how long it is
    Pattern short_of_room = literal("abc");
    short_of_room.direction = Direction::kToServer;
    short_of_room.depth = 3;
    struct Row {
        const char* json;
        Pattern pattern;
    };
    const Row rows[] = {
        {R"("abc")", literal("abc")},
        {R"({"pattern": "abc"})", literal("abc")},
        {R"({"pattern": "abc", "direction": "both", "offset": 0})", literal("abc")},
        {R"({"depth": 3, "direction": "to_server", "pattern": "abc"})", short_of_room},
        {R"({"pattern": "/ab?/i", "direction": "to_client", "offset": 1099511627776, "depth": 1})", placed},
    };
    for (const Row& row : rows) {
        CAPTURE(row.json);
        ErrorList errors;
        const Json json = Json::parse(row.json);
        CHECK(read_pattern_entry(json, {}, errors) == row.pattern);
        CHECK(errors.take().empty());
    }
}

TEST_CASE("the fix for a literal that begins with a slash is itself a right regex") {
    for (const std::string& text : {"/"s, "/index.html"s, "/a+b?(c)[d]{e}^$|\\"s, "/\0\x01\"\xe6\xab\x93"s}) {
        CAPTURE(text);
        ErrorList errors;
        const std::string entry = Json::parse(literal_as_regex_json(text)).get<std::string>();
        const Pattern pattern = read_pattern(entry, {}, errors);
        CHECK(errors.take().empty());
        CHECK(pattern.regex);
        // Without its escapes the expression is the text.
        std::string plain;
        for (std::size_t i = 0; i < pattern.bytes.size(); ++i) {
            if (pattern.bytes.compare(i, 4, "\\x00") == 0) {
                plain += '\0';
                i += 3;
                continue;
            }
            if (pattern.bytes[i] == '\\') ++i;
            plain += pattern.bytes[i];
        }
        CHECK(plain == text);
    }
}

}  // namespace
}  // namespace yagura::rules
