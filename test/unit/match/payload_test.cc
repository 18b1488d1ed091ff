// SPDX-License-Identifier: BSD-3-Clause
#include <algorithm>
#include <catch2/catch.hpp>
#include <string_view>

#include "match/payload_patterns.h"
#include "rule_builders.h"

using namespace yagura;
using namespace yagura::match;
using namespace yagura::test;

namespace {

base::Bytes bytes(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

bool hits(const rules::Rule& rule, std::string_view data) {
    std::vector<CompileError> errors;
    const PayloadPatterns patterns(std::span(&rule, 1), errors);
    for (const CompileError& error : errors) FAIL(error.place << ": " << error.reason);
    PayloadScratch scratch = patterns.make_scratch();
    // Twice: what a scan leaves behind means nothing to the next.
    patterns.scan(bytes(data), scratch);
    return !patterns.scan(bytes(data), scratch).empty();
}

using namespace std::string_view_literals;

}  // namespace

TEST_CASE("a pattern is found where it is, and nowhere else") {
    const struct {
        const char* what;
        rules::Pattern pattern;
        std::string_view data;
        bool hit;
    } rows[] = {
        {"literal", literal("select"), "a select b", true},
        {"literals are case-sensitive", literal("select"), "a SELECT b", false},
        {"metacharacters are bytes", literal("a.*[b]$(c)|^\\x"), "xx a.*[b]$(c)|^\\x yy", true},
        {"a dot is not any byte", literal("a.b"), "axb", false},
        {"a slash at the end", literal("GET /"), "GET /", true},
        {"NUL in a literal", literal(std::string("a\0b", 3)), "xa\0by"sv, true},
        {"NUL ends nothing", literal(std::string("a\0b", 3)), "xa\0cy"sv, false},
        {"UTF-8 bytes", literal("\xc3\xa9t\xc3\xa9"), "l'\xc3\xa9t\xc3\xa9", true},
        {"high bytes", literal("\xff\xfe"), "\x01\xff\xfe\x02", true},
        {"one byte at the start", literal("a"), "abc", true},
        {"one byte at the end", literal("c"), "abc", true},
        {"regex", regex("union\\s+select"), "x union \t select y", true},
        {"without i", regex("union"), "UNION", false},
        {"with i", regex("union", "i"), "UniOn", true},
        {"without s a dot is no newline", regex("a.b"), "a\nb", false},
        {"with s it is", regex("a.b", "s"), "a\nb", true},
        {"without m, ^ is the start of the data", regex("^b"), "a\nb", false},
        {"with m, of a line", regex("^b", "m"), "a\nb", true},
        {"\\xNN gives any byte", regex("\\x00\\xff\\x80"), "q\0\xff\x80"sv, true},
        {"without 8 a dot is one byte", regex("^.$"), "\xc3\xa9", false},
        {"with 8, one code point", regex("^.$", "8"), "\xc3\xa9", true},
        {"anchored at both ends", regex("^abc$"), "abc", true},
        {"empty data", literal("a"), "", false},
    };
    for (const auto& row : rows) {
        INFO(row.what);
        CHECK(hits(payload_rule("", {row.pattern}), row.data) == row.hit);
        CHECK(hits(payload_rule("", {}, {row.pattern}), row.data) == row.hit);
    }
}

TEST_CASE("any of payload, all of payload_all, within one payload") {
    const struct {
        std::vector<rules::Pattern> any;
        std::vector<rules::Pattern> all;
        const char* data;
        bool hit;
    } rows[] = {
        {{literal("a"), literal("b")}, {}, "xb", true},
        {{literal("a"), literal("b")}, {}, "x", false},
        {{}, {literal("a"), literal("b")}, "ab", true},
        {{}, {literal("a"), literal("b")}, "ba", true},
        {{}, {literal("a"), literal("b")}, "aa", false},
        {{}, {literal("a"), literal("a"), literal("b")}, "ab", true},
        {{literal("c"), literal("d")}, {literal("a"), literal("b")}, "abd", true},
        {{literal("c"), literal("d")}, {literal("a"), literal("b")}, "ab", false},
        {{literal("c"), literal("d")}, {literal("a"), literal("b")}, "cda", false},
        {{literal("c"), literal("d")}, {literal("a"), literal("b")}, "dcab", true},
        {{literal("a")}, {literal("a")}, "a", true},
        {{literal("a"), literal("b")}, {literal("a"), regex("b|c")}, "ac", true},
        {{literal("a"), literal("b")}, {literal("a"), regex("b|c")}, "c", false},
    };
    for (const auto& row : rows) {
        INFO(row.data << " any " << row.any.size() << " all " << row.all.size());
        CHECK(hits(payload_rule("", row.any, row.all), row.data) == row.hit);
    }
}

TEST_CASE("rules share a pattern, and one does not disturb the other") {
    const std::vector<rules::Rule> rules = {
        payload_rule("", {literal("a")}),
        filter_rule("tcp"),
        payload_rule("", {literal("a"), literal("b")}),
        payload_rule("", {}, {literal("a"), literal("b")}),
        payload_rule("", {regex("a")}),
        payload_rule("", {regex("\\xc3\\xa9|\\x{e8}", "8")}, {literal("x")})};
    std::vector<CompileError> errors;
    const PayloadPatterns patterns(rules, errors);
    PayloadScratch scratch = patterns.make_scratch();
    const auto scan = [&](std::string_view data) {
        Found rules_found = found(patterns.scan(bytes(data), scratch));
        std::sort(rules_found.begin(), rules_found.end());
        return rules_found;
    };
    CHECK(scan("xax") == Found{0, 2, 4});
    CHECK(scan("xbx") == Found{2});
    CHECK(scan("xx") == Found{});
    CHECK(scan("ba") == Found{0, 2, 3, 4});
    CHECK(scan("a") == Found{0, 2, 4});
    // Patterns over UTF-8 and over bytes meet in one rule, and bytes that are no UTF-8 hide nothing from the
    // others.
    CHECK(scan("x\xc3\xa8") == Found{5});
    CHECK(scan("\xff\xc3 ab \x80") == Found{0, 2, 3, 4});
}

TEST_CASE("each pattern that does not compile is named, all in one run") {
    const std::vector<rules::Rule> rules = {
        payload_rule("", {literal("good"), regex("(unclosed")}),
        payload_rule("", {}, {regex("a*"), regex("good")}),
        payload_rule("", {regex("(unclosed"), regex("(?<=x)y"), regex("a(?=b)")}),
        payload_rule("", {regex(std::string("a\0b", 3))}),
        payload_rule("", {regex("\\xff\\xfe", "8")}),
        payload_rule("", {regex("(a)\\1")}),
    };
    std::vector<CompileError> errors;
    const PayloadPatterns patterns(rules, errors);
    std::vector<std::string> places;
    for (const CompileError& error : errors) {
        CHECK_FALSE(error.reason.empty());
        places.push_back(std::to_string(error.rule) + error.place);
    }
    std::sort(places.begin(), places.end());
    CHECK(places == std::vector<std::string>{"0/payload/1", "1/payload_all/0", "2/payload/0", "2/payload/1",
                                             "2/payload/2", "3/payload/0", "5/payload/0"});
    const auto empty = std::find_if(errors.begin(), errors.end(),
                                    [](const CompileError& e) { return e.place == "/payload_all/0"; });
    REQUIRE(empty != errors.end());
    CHECK(empty->reason.find("empty string") != std::string::npos);
}
