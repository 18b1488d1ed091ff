// SPDX-License-Identifier: BSD-3-Clause
#include "app/alerts/verdict_map.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "app/alerts/verdict.h"

namespace yagura::alerts {
namespace {

Alert sample() {
    Alert alert{.tool = "suricata",
                .signature = 2003068,
                .severity = 2,
                .note = {},
                .text = "ET SCAN SSH",
                .id = "7",
                .time = "now"};
    alert.source = parse_address("10.0.0.1");
    alert.destination = parse_address("10.0.0.2");
    alert.connection =
        make_connection("tcp", alert.source, std::uint16_t{4000}, alert.destination, std::uint16_t{80});
    return alert;
}

Alert notice(const std::string& note) {
    Alert alert{.tool = "zeek", .note = note, .text = "scanned"};
    alert.source = parse_address("192.0.2.1");
    return alert;
}

VerdictMap read_well(const std::string& text) {
    std::vector<rules::ConfigError> errors;
    VerdictMap map = VerdictMap::read(text, errors);
    for (const auto& error : errors) UNSCOPED_INFO(error.to_string());
    REQUIRE(errors.empty());
    return map;
}

TEST_CASE("an entry matches when all its conditions hold") {
    struct Row {
        const char* conditions;
        Alert alert;
        bool matches;
    };
    Alert other_generator = sample();
    other_generator.generator = 116;
    Alert no_severity = sample();
    no_severity.severity.reset();
    const Row rows[] = {
        {"", sample(), true},
        {R"("signature": 2003068,)", sample(), true},
        {R"("signature": 2003069,)", sample(), false},
        {R"("signature": [1, 2003068],)", sample(), true},
        {R"("signature": 2003068,)", other_generator, false},
        {R"("signature": "116:2003068",)", other_generator, true},
        {R"("signature": [7, "116:2003068"],)", other_generator, true},
        {R"("signature": 2003068,)", notice("A::B"), false},
        {R"("signature": "/SCAN/",)", sample(), true},
        {R"("signature": "/scan/",)", sample(), false},
        {R"("signature": "/^et (scan|policy) s.h$/i",)", sample(), true},
        {R"("signature": "/a\\/b/",)", sample(), false},
        {R"("signature": "/scan/",)", notice("A::B"), true},
        {R"("severity": 2,)", sample(), true},
        {R"("severity": "2",)", sample(), true},
        {R"("severity": 1,)", sample(), false},
        {R"("severity": "<=2",)", sample(), true},
        {R"("severity": "<2",)", sample(), false},
        {R"("severity": "<3",)", sample(), true},
        {R"("severity": ">=2",)", sample(), true},
        {R"("severity": ">2",)", sample(), false},
        {R"("severity": ">1",)", sample(), true},
        {R"("severity": ">=0",)", sample(), true},
        {R"("severity": ">=0",)", no_severity, false},
        {R"("severity": "<=255",)", notice("A::B"), false},
        {R"("note": "Scan::*",)", notice("Scan::Port_Scan"), true},
        {R"("note": "Scan::Port_Sca?",)", notice("Scan::Port_Scan"), true},
        {R"("note": "Scan",)", notice("Scan::Port_Scan"), false},
        {R"("note": "*",)", sample(), false},
        {R"("signature": "/SCAN/", "severity": "<=2",)", sample(), true},
        {R"("signature": "/SCAN/", "severity": 1,)", sample(), false},
    };
    for (const Row& row : rows) {
        CAPTURE(row.conditions);
        const VerdictMap map = read_well("[{" + std::string(row.conditions) + R"("verdict": "reset"}])");
        CHECK((map.find(row.alert) != nullptr) == row.matches);
    }
}

TEST_CASE("the first entry that matches counts") {
    const VerdictMap map = read_well(R"([
        // what must never be cut
        {"signature": "/SCAN/", "severity": 1, "verdict": "none"},
        {"signature": 2003068, "verdict": "block", "ttl": "10m", "what": "source", "reason": "scanner"},
        {"verdict": "reset"}
    ])");
    CHECK(map.size() == 3);
    Alert alert = sample();
    CHECK(map.find(alert)->action == Action::kBlock);
    CHECK(map.find(alert)->what == What::kSource);
    CHECK(map.find(alert)->ttl == "10m");
    CHECK(map.find(alert)->reason == "scanner");
    alert.severity = 1;
    CHECK(map.find(alert)->action == Action::kNone);
    CHECK(map.find(notice("A::B"))->action == Action::kReset);
    CHECK(read_well("[]").find(alert) == nullptr);
}

TEST_CASE("what is wrong with a map is said with its place") {
    struct Row {
        std::string text;
        const char* pointer;
        const char* in_reason;
    };
    const std::string good = R"({"verdict": "reset"})";
    const Row rows[] = {
        {"", "", ""},
        {"{", "", ""},
        {good, "", "an array of entries"},
        {"[1]", "/0", "an object"},
        {"[" + good + ", {}]", "/1", "\"verdict\" is missing"},
        {R"([{"verdict": "rest"}])", "/0/verdict", "unknown verdict \"rest\""},
        {R"([{"verdict": 1}])", "/0/verdict", ""},
        {R"([{"verdict": "reset", "sigature": 1}])", "/0/sigature", "unknown key"},
        {R"([{"verdict": "reset", "verdict": "none"}])", "/0/verdict", ""},
        {R"([{"verdict": "reset", "signature": -1}])", "/0/signature", "-1 is no signature"},
        {R"([{"verdict": "reset", "signature": 1.5}])", "/0/signature", "is no signature"},
        {R"([{"verdict": "reset", "signature": "x"}])", "/0/signature", "\"x\" is no signature"},
        {R"([{"verdict": "reset", "signature": ":1"}])", "/0/signature", "is no signature"},
        {R"([{"verdict": "reset", "signature": []}])", "/0/signature", "no signature in it"},
        {R"([{"verdict": "reset", "signature": [1, "/x/"]}])", "/0/signature/1", "is no signature"},
        {R"([{"verdict": "reset", "signature": "/x"}])", "/0/signature", "no regular expression"},
        {R"([{"verdict": "reset", "signature": "/x/g"}])", "/0/signature", "no regular expression"},
        {R"([{"verdict": "reset", "signature": "//"}])", "/0/signature", "nothing in it"},
        {R"([{"verdict": "reset", "signature": "/(/"}])", "/0/signature", "\"/(/\": "},
        {R"([{"verdict": "reset", "severity": "<= 2"}])", "/0/severity", "no severity"},
        {R"([{"verdict": "reset", "severity": "=<2"}])", "/0/severity", "no severity"},
        {R"([{"verdict": "reset", "severity": "<0"}])", "/0/severity", "no severity"},
        {R"([{"verdict": "reset", "severity": 256}])", "/0/severity", "no severity"},
        {R"([{"verdict": "reset", "severity": []}])", "/0/severity", "no severity"},
        {R"([{"verdict": "reset", "note": ""}])", "/0/note", "0 bytes"},
        {R"([{"verdict": "block", "ttl": "10"}])", "/0/ttl", "not a duration"},
        {R"([{"verdict": "block", "ttl": "999ms"}])", "/0/ttl", "out of range"},
        {R"([{"verdict": "block", "ttl": "3651d"}])", "/0/ttl", "out of range"},
        {R"([{"verdict": "block", "ttl": 10}])", "/0/ttl", ""},
        {R"([{"verdict": "reset", "ttl": "10m"}])", "/0/ttl", "\"block\" alone"},
        {R"([{"verdict": "reset", "what": "source"}])", "/0/what", "\"block\" alone"},
        {R"([{"verdict": "block", "what": "both"}])", "/0/what", "unknown what"},
        {R"([{"verdict": "none", "reason": "x"}])", "/0/reason", "no reason"},
        {R"([{"verdict": "block", "reason": ")" + std::string(55, 'x') + R"("}])", "/0/reason", "55 bytes"},
        {R"([{"verdict": "block", "reason": "a\nb"}])", "/0/reason", ""},
    };
    for (const Row& row : rows) {
        CAPTURE(row.text);
        std::vector<rules::ConfigError> errors;
        VerdictMap::read(row.text, errors);
        REQUIRE(errors.size() == 1);
        CHECK(errors[0].pointer == row.pointer);
        CHECK_THAT(errors[0].reason, Catch::Contains(row.in_reason));
    }
    std::vector<rules::ConfigError> errors;
    VerdictMap::read(R"([{"verdict": "x"}, {"verdict": "y"}])", errors);
    CHECK(errors.size() == 2);
}

TEST_CASE("a verdict is about the connection or a host") {
    const Alert alert = sample();
    const auto verdict = [&](Action action, What what, const Alert& of) {
        return make_verdict(of, {.action = action, .what = what, .ttl = "1m", .reason = ""});
    };
    CHECK_FALSE(verdict(Action::kNone, What::kConnection, alert));
    CHECK(verdict(Action::kReset, What::kConnection, alert)->method == Method::kReset);
    CHECK(verdict(Action::kReset, What::kConnection, alert)->item == "tcp 10.0.0.1:4000 > 10.0.0.2:80");
    CHECK(verdict(Action::kBlock, What::kConnection, alert)->method == Method::kBlock);
    CHECK(verdict(Action::kBlock, What::kSource, alert)->method == Method::kAddBlocks);
    CHECK(verdict(Action::kBlock, What::kSource, alert)->item == "10.0.0.1");
    CHECK(verdict(Action::kBlock, What::kDestination, alert)->item == "10.0.0.2");
    CHECK_FALSE(verdict(Action::kBlock, What::kConnection, notice("A::B")));
    CHECK_FALSE(verdict(Action::kBlock, What::kDestination, notice("A::B")));
    CHECK(verdict(Action::kBlock, What::kSource, notice("A::B"))->item == "192.0.2.1");

    CHECK(verdict(Action::kReset, What::kConnection, alert)->reason == "suricata 1:2003068");
    CHECK(verdict(Action::kBlock, What::kSource, notice("A::" + std::string(60, 'b')))->reason.size() ==
          kMaxReason);
    CHECK(make_verdict(alert, {.action = Action::kReset, .reason = "because"})->reason == "because");
    CHECK(verdict(Action::kReset, What::kConnection, alert)->why == "suricata 1:2003068 \"ET SCAN SSH\"");
    CHECK(method_name(Method::kAddBlocks) == "blocks.add");
    CHECK(list_name(Method::kAddBlocks) == "targets");
    CHECK(list_name(Method::kBlock) == "flows");
}

TEST_CASE("what an alert says stays in its quotes for people") {
    Alert alert = notice("A\x1b[2J::B");
    alert.text = "x\"\n2026 reset: verified";
    const auto verdict = make_verdict(alert, {.action = Action::kBlock, .what = What::kSource});
    REQUIRE(verdict);
    for (const char c : verdict->why) CHECK(static_cast<unsigned char>(c) >= 0x20);
    CHECK_THAT(verdict->why, Catch::StartsWith("zeek \"A"));
    CHECK_THAT(verdict->why, Catch::Contains("x\\\""));
}

TEST_CASE("the same alert has the same key, another has another") {
    const Decision reset{.action = Action::kReset};
    const std::vector<Verdict> one{*make_verdict(sample(), reset)};
    const std::string key = key_of(one);
    CHECK(key == key_of(std::vector<Verdict>{*make_verdict(sample(), reset)}));
    CHECK(key.size() <= 64);
    const auto differs = [&](const Alert& alert, const Decision& decision) {
        return key_of(std::vector<Verdict>{*make_verdict(alert, decision)}) != key;
    };
    Alert alert = sample();
    alert.id = "8";
    CHECK(differs(alert, reset));
    alert = sample();
    alert.time = "then";
    CHECK(differs(alert, reset));
    alert = sample();
    alert.signature = 1;
    CHECK(differs(alert, reset));
    alert = sample();
    alert.connection->source_port = 1;
    CHECK(differs(alert, reset));
    CHECK(differs(sample(), {.action = Action::kBlock}));
    CHECK(key_of(std::vector<Verdict>{one[0], one[0]}) != key);
}

}  // namespace
}  // namespace yagura::alerts
