// SPDX-License-Identifier: BSD-3-Clause
#include <algorithm>
#include <catch2/catch.hpp>
#include <string_view>

#include "net/packet_builder.h"
#include "rule_builders.h"

using namespace yagura;
using namespace yagura::match;
using namespace yagura::test;

namespace {

base::Bytes bytes(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

const Sample kPacket(
    net::PacketBuilder().ethernet().ipv4("192.0.2.1", "192.0.2.2").tcp(40000, 80).payload("x").build());

/// The rules that hold for a payload by itself.
class Asked {
  public:
    explicit Asked(std::vector<rules::Rule> rules) {
        CompiledRules::Outcome outcome = CompiledRules::compile(rules, net::LinkType::kEthernet);
        for (const CompileError& error : outcome.errors) FAIL(error.place << ": " << error.reason);
        rules_ = std::move(outcome.rules);
        scratch_ = rules_->make_scratch();
    }
    Found operator()(std::string_view data, PayloadRules which = PayloadRules::kAll,
                     rules::Direction to = rules::Direction::kToServer) {
        const auto limit = static_cast<RuleIndex>(rules_->size());
        const auto ask = [&] {
            return found(rules_->payload_rules(kPacket.view(), bytes(data), limit, *scratch_, which, to));
        };
        // Twice: what a question leaves behind means nothing to the next.
        ask();
        return ask();
    }

  private:
    std::shared_ptr<const CompiledRules> rules_;
    MatchScratchPtr scratch_;
};

bool hits(const rules::Rule& rule, std::string_view data) {
    return !Asked({rule})(data).empty();
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
    Asked scan(rules);
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
    const std::vector<CompileError> errors = CompiledRules::compile(rules, net::LinkType::kEthernet).errors;
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

TEST_CASE("payload_none, directions and places, within one payload") {
    const auto none = [](std::vector<rules::Pattern> patterns, std::vector<rules::Pattern> any = {}) {
        rules::Rule rule = payload_rule("", std::move(any));
        rule.payload_none = std::move(patterns);
        return rule;
    };
    constexpr auto kServer = rules::Direction::kToServer;
    constexpr auto kClient = rules::Direction::kToClient;
    const struct {
        const char* what;
        rules::Rule rule;
        std::string_view data;
        bool to_server;
        bool to_client;
    } rows[] = {
        {"none of one", none({literal("a")}), "b", true, true},
        {"one of one", none({literal("a")}), "ba", false, false},
        {"none, of no payload", none({literal("a")}), "", true, true},
        {"one of two", none({literal("a"), literal("b")}), "xb", false, false},
        {"any and none", none({literal("a")}, {literal("b")}), "b", true, true},
        {"any and one that must not be", none({literal("a")}, {literal("b")}), "ab", false, false},
        {"none, but not any", none({literal("a")}, {literal("b")}), "x", false, false},
        {"the same in both", none({literal("a")}, {literal("a")}), "a", false, false},
        {"to the server", payload_rule("", {towards(kServer, literal("a"))}), "a", true, false},
        {"to the client", payload_rule("", {towards(kClient, literal("a"))}), "a", false, true},
        {"to either, written twice",
         payload_rule("", {towards(kClient, literal("a")), towards(kServer, literal("a"))}), "a", true, true},
        {"to both, and a packet goes one way",
         payload_rule("", {}, {towards(kClient, literal("a")), towards(kServer, literal("a"))}), "a", false,
         false},
        {"none that goes the other way", none({towards(kClient, literal("a"))}), "a", true, false},
        {"at its place", payload_rule("", {placed(literal("bc"), 1, 2)}), "abc", true, true},
        {"too early", payload_rule("", {placed(literal("bc"), 1, 2)}), "bcd", false, false},
        {"too late", payload_rule("", {placed(literal("bc"), 1, 2)}), "aabc", false, false},
    };
    for (const auto& row : rows) {
        INFO(row.what);
        for (const rules::Scope scope : {rules::Scope::kSession, rules::Scope::kPacket}) {
            rules::Rule rule = row.rule;
            rule.scope = scope;
            Asked ask({rule});
            CHECK(ask(row.data, PayloadRules::kAll, kServer) == (row.to_server ? Found{0} : Found{}));
            CHECK(ask(row.data, PayloadRules::kAll, kClient) == (row.to_client ? Found{0} : Found{}));
            const bool of_packet = scope == rules::Scope::kPacket;
            CHECK(ask(row.data, PayloadRules::kOfScopePacket, kServer) ==
                  (of_packet && row.to_server ? Found{0} : Found{}));
        }
    }
}

TEST_CASE("the length of what is plain bytes is known without Hyperscan") {
    const auto depth_errors = [](rules::Pattern pattern, std::uint64_t depth) {
        rules::Rule rule = filter_rule("");
        rule.payload = {placed(std::move(pattern), 0, depth)};
        return CompiledRules::compile(std::span(&rule, 1), net::LinkType::kEthernet).errors;
    };
    const struct {
        rules::Pattern pattern;
        std::uint64_t length;
    } rows[] = {{literal("ab"), 2},
                {literal(std::string("\0\xff", 2)), 2},
                {regex("aZ9"), 3},
                {regex("\\x41\\xff"), 2},
                {regex("\\x41b\\x0a", "i"), 3},
                {regex("a b"), 3},   // from here on Hyperscan says it
                {regex("\\x4"), 1},  // not two digits
                {regex("\\x4G"), 2},
                {regex("\\xAB"), 1},
                {regex("ab?"), 1},
                {regex("\\xc3\\xa9", "8"), 4},
                {literal(std::string(3000, 'a')), 3000}};
    for (const auto& row : rows) {
        CAPTURE(row.pattern.text.substr(0, 20));
        CHECK(depth_errors(row.pattern, row.length).empty());
        const auto errors = depth_errors(row.pattern, row.length - 1);
        REQUIRE(errors.size() == 1);
        CHECK(errors[0].reason == "a match has at least " + std::to_string(row.length) + " bytes");
    }
    CHECK_FALSE(depth_errors(literal(std::string(20'000, 'a')), 20'000).empty());
}
