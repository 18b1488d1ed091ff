// SPDX-License-Identifier: BSD-3-Clause
#include <catch2/catch.hpp>
#include <string>

#include "config_samples.h"
#include "rules/json_document.h"

namespace yagura::rules {
namespace {

using namespace std::string_literals;

TEST_CASE("what is not JSON is one error with line and column") {
    const FaultRow rows[] = {
        {"nothing", "", "", {"line 1, column 1", "unexpected end of input"}, {"not closed"}},
        {"only a comment", "// nothing\n", "", {"line 2, column 1", "unexpected end of input"}, {}},
        {"open object", "{\n  \"ports\": {", "", {"line 2, column 13", "end of input"}, {"not closed"}},
        {"open string", "{\"ports", "", {"line 1, column 8", "missing closing quote"}, {}},
        {"open comment", "{} /* ...", "", {"line 1, column 10", "comment"}, {}},
        {"comma at the end of an object",
         "{\n  \"rules\": [],\n}",
         "",
         {"line 3, column 1", "unexpected '}'"},
         {"remove the comma before it"}},
        {"comma at the end of an array",
         "{\"rules\": [1,\n ]}",
         "",
         {"line 2, column 2", "unexpected ']'"},
         {"remove the comma before it"}},
        {"no comma in an object",
         "{\n  \"ports\": {}\n  \"rules\": []\n}",
         "",
         {"line 3, column 3", "unexpected string literal", "expected '}'"},
         {"put a comma before it"}},
        {"no comma in an array",
         "{\"rules\": [{}\n {}]}",
         "",
         {"line 2, column 2", "unexpected '{'"},
         {"put a comma before it"}},
        {"key without quotes", "{ports: {}}", "", {"line 1, column 2", "invalid literal"}, {"double quotes"}},
        {"single quotes", "{'ports': {}}", "", {"line 1, column 2", "invalid literal"}, {"double quotes"}},
        {"two documents", "{} {}", "", {"line 1, column 4", "expected end of input"}, {}},
        {"number too large", "{\"ports\": 1e999}", "", {"line 1, column", "number overflow"}, {}},
        {"lone surrogate", R"({"ports": "\ud800"})", "", {"line 1, column", "surrogate"}, {}},
        {"bad UTF-8 in a string",
         "{\"a\":\n\"\xff\"}",
         "",
         {"line 2, column 2", "0xff is not UTF-8"},
         {"UTF-8"}},
        {"bad UTF-8 in a comment",
         "{} // caf\xe9",
         "",
         {"line 1, column 10", "0xe9 is not UTF-8"},
         {"UTF-8"}},
        {"overlong UTF-8", "{} //\xc0\xaf", "", {"0xc0 is not UTF-8"}, {}},
        {"overlong UTF-8 of three bytes", "{} //\xe0\x80\xaf", "", {"0xe0 is not UTF-8"}, {}},
        {"surrogate in UTF-8", "{} //\xed\xa0\x80", "", {"0xed is not UTF-8"}, {}},
        {"beyond Unicode", "{} //\xf4\x90\x80\x80", "", {"0xf4 is not UTF-8"}, {}},
        {"UTF-8 cut off", "{} //\xe6\xab", "", {"0xe6 is not UTF-8"}, {}},
        // The JSON library takes it for the end of the text.
        {"zero byte after the document",
         "{\"ports\": {}}\0{"s,
         "",
         {"line 1, column 14", "0x00 is not JSON"},
         {}},
        {"duplicate keys before a syntax error", R"({"a": 1, "a": 2, )", "", {"end of input"}, {}},
    };
    for (const FaultRow& row : rows) check_fault(row);
}

TEST_CASE("a key that stands twice in one object is an error at its place") {
    const FaultRow rows[] = {
        {"top level",
         with(R"("inspect": {}, "inspect": {"flows": 0})"),
         "/inspect",
         {"\"inspect\"", "2 times"},
         {"keep one"}},
        {"three times in a rule",
         with(R"("rules": [{"id": 1, "drop": true}, {"id": 2, "id": 3, "drop": true, "id": 4}])"),
         "/rules/1/id",
         {"\"id\"", "3 times"},
         {}},
        {"a port", with_ports(R"("tap0": {"role": "tool", "device": "x"})"), "/ports/tap0", {"2 times"}, {}},
        {"spelled in two ways",
         with(R"("inspect": {"flows": 1, "fl\u006fws": 2})"),
         "/inspect/flows",
         {"2 times"},
         {}},
        {"of two keys that need escaping",
         R"({"ports": {"t": {"role": "network", "device": "x", "a/~": 1}}})",
         "/ports/t/a~1~0",
         {"unknown key"},
         {}},
    };
    for (const FaultRow& row : rows) check_fault(row);
}

TEST_CASE("the same key in different objects is right") {
    CHECK(must_parse(with(R"("rules": [{"id": 1, "drop": true}, {"id": 2, "drop": true}])")).rules.size() ==
          2);
}

TEST_CASE("comments of both kinds are passed over, but not inside strings") {
    const Config config = must_parse("// first\n{ /* a\n b */ " + std::string(kPorts) +
                                     R"(, "rules": [{"id": 1, // one
        "payload": "http://x/*y*/", "drop": true}]} // last)");
    REQUIRE(config.rules.size() == 1);
    CHECK(config.rules[0].payload.at(0).bytes == "http://x/*y*/");
}

TEST_CASE("a byte order mark is passed over") {
    CHECK(must_parse("\xef\xbb\xbf" + with(R"("rules": [])")).ports.size() == 4);
}

TEST_CASE("hostile nesting ends at the bound, however deep") {
    for (const char* unit : {"[", R"({"a":)"}) {
        std::string text = R"({"rules": )";
        for (int i = 0; i < 1'000'000; ++i) text += unit;
        const ConfigOutcome outcome = parse_config(text);
        REQUIRE(outcome.errors.size() == 1);
        CHECK_THAT(outcome.errors[0].pointer, Catch::StartsWith("/rules/"));
        CHECK_THAT(outcome.errors[0].reason, Catch::Contains("deeper than 16"));
    }
    const auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
    ErrorList errors;
    CHECK(read_json(nested(kMaxDepth), errors).has_value());
    CHECK_FALSE(read_json(nested(kMaxDepth + 1), errors).has_value());
}

TEST_CASE("a huge key is refused before it gets into any report") {
    const ConfigOutcome outcome = parse_config(R"({"ports": {")" + std::string(257, 'a') + R"(": {}}})");
    REQUIRE(outcome.errors.size() == 1);
    CHECK(outcome.errors[0].reason == "a key of 257 bytes is longer than 256");
    CHECK(outcome.errors[0].to_string().size() < 200);
}

TEST_CASE("an error is one line, whatever the words in it") {
    const ConfigOutcome outcome = parse_config(R"({"ports": {"a\n\u001b\u007f/b~": 1}, "x\"y": 2})");
    REQUIRE(outcome.errors.size() == 3);
    CHECK(outcome.errors[0].to_string().substr(0, 40) == R"(/x"y: unknown key "x\"y" (known keys: lc)");
    CHECK(outcome.errors[1].pointer == "/ports/a\n\x1b\x7f~1b~0");
    CHECK_THAT(
        outcome.errors[1].to_string(),
        Catch::StartsWith(R"(/ports/a\u000a\u001b\u007f~1b~0: "a\u000a\u001b\u007f/b~" is not a name)"));
}

TEST_CASE("errors without end are counted, not kept") {
    std::string rules;
    for (int i = 0; i < 5000; ++i) rules += (i > 0 ? ",1" : "1");
    const ConfigOutcome outcome = parse_config(with("\"rules\": [" + rules + "]"));
    REQUIRE(outcome.errors.size() == ErrorList::kMaxErrors + 1);
    CHECK(outcome.errors[999].pointer == "/rules/999");
    CHECK(outcome.errors.back().reason == "4000 more errors are not shown");
}

}  // namespace
}  // namespace yagura::rules
