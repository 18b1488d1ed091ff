// SPDX-License-Identifier: BSD-3-Clause
#include "control/audit_record.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <string>

#include "control/audit_head.h"
#include "support/random.h"

namespace yagura::control {
namespace {

TEST_CASE("what is logged cannot break out of its string") {
    struct Row {
        const char* what;
        std::string text;
        std::string expected;
    };
    const Row rows[] = {
        {"plain", "rules.load", "rules.load"},
        {"quote and backslash", R"(a"b\c)", R"(a\"b\\c)"},
        {"new lines", "a\nb\r\tc", R"(a\u000ab\u000d\u0009c)"},
        {"a zero", std::string("a\0b", 3), R"(a\u0000b)"},
        {"terminal's escapes, 7 and 8 bits", "\x1b[2J\x7f\xc2\x9b", R"(\u001b[2J\u007f\u009b)"},
        {"letters", "\xc3\xa9\xe7\x8b\xac", R"(\u00e9\u72ec)"},
        {"above the first plane", "\xf0\x9f\x98\x80", R"(\ud83d\ude00)"},
        {"line separator, right-to-left override", "\xe2\x80\xa8\xe2\x80\xae", R"(\u2028\u202e)"},
        {"no UTF-8", "\xff\xfe", R"(\\xff\\xfe)"},
        {"cut off in a character", "a\xe7\x8b", R"(a\\xe7\\x8b)"},
        {"overlong", "\xc0\xaf\xe0\x80\xaf", R"(\\xc0\\xaf\\xe0\\x80\\xaf)"},
        {"surrogate", "\xed\xa0\x80", R"(\\xed\\xa0\\x80)"},
        {"above U+10FFFF", "\xf4\x90\x80\x80", R"(\\xf4\\x90\\x80\\x80)"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.what);
        CHECK(escaped(row.text, 1000) == row.expected);
        CHECK(nlohmann::json::accept("\"" + row.expected + "\""));
    }
    CHECK(escaped(std::string(100, 'x'), 10) == "xxxxxxxxxx... (90 bytes more)");
}

TEST_CASE("whatever an event holds, its record is one line of JSON, bounded, in ASCII") {
    test::Random random(5);
    AuditFrame frame{.sequence = UINT64_MAX, .time_ns = 1'700'000'000'123'456'789, .heads = UINT64_MAX};
    frame.start = AuditStart{std::string(32, 'a'), UINT64_MAX};
    const auto text = [&random](std::size_t bytes) {
        std::string out;
        while (out.size() < bytes) out += static_cast<char>(random.below(random.one_in(2) ? 32 : 256));
        return out;
    };
    for (int round = 0; round < 300; ++round) {
        const std::size_t most = round == 0 ? 100'000 : random.between(0, 3000);
        const AuditEvent event{
            -1,         UINT32_MAX, UINT32_MAX,       text(most),
            text(most), text(most), random.one_in(2), round == 1 ? std::string(100'000, '\x01') : text(most)};
        const std::string body = record_body(frame, event, text(most));
        const std::string line = sealed(body, Mac{}) + "\n";
        REQUIRE(line.size() <= kMaxAuditLine);
        for (std::size_t i = 0; i + 1 < line.size(); ++i) {
            if (line[i] < 0x20 || line[i] > 0x7e) FAIL("byte " << int(line[i]));
        }
        const auto json = nlohmann::json::parse(line);
        CHECK(json.at("time") == "2023-11-14T22:13:20.123Z");
        CHECK(json.at("uid") == UINT32_MAX);
        CHECK(json.at("allowed") == event.allowed);
        const auto record = parse_record(body);
        REQUIRE(record);
        CHECK(record->sequence == frame.sequence);
        CHECK(record->heads == frame.heads);
        REQUIRE(record->start);
        CHECK(record->start->oldest == UINT64_MAX);
        CHECK(sequence_of(line) == frame.sequence);
    }
}

TEST_CASE("a line is unsealed only if it ends exactly as it was sealed") {
    const Mac mac{1, 2, 0xab};
    const std::string line = sealed(R"({"seq":1)", mac);
    REQUIRE(unsealed(line));
    CHECK(unsealed(line)->body == R"({"seq":1)");
    CHECK(unsealed(line)->mac == mac);
    for (std::size_t i = 8; i < line.size(); ++i) {
        std::string changed = line;
        changed[i] = static_cast<char>(changed[i] ^ 0x20);
        CAPTURE(changed);
        const auto other = unsealed(changed);
        CHECK((!other || other->mac != mac));
    }
    CHECK_FALSE(unsealed(line + " "));
    CHECK_FALSE(unsealed(""));
    CHECK_FALSE(unsealed(std::string_view(line).substr(line.size() - 20)));
}

TEST_CASE("what is printed of a record has its form, whoever wrote it") {
    AuditFrame frame{.sequence = 1, .time_ns = 1};
    frame.start = AuditStart{std::string(32, '0'), 1};
    const std::string good = record_body(frame, AuditEvent{1, 1, 1, "p", "a", "o", true, "ok"}, "u");
    CHECK(parse_record(good));
    const auto with = [&good](std::string_view from, std::string_view to) {
        std::string text = good;
        return parse_record(text.replace(text.find(from), from.size(), to));
    };
    CHECK_FALSE(with("1970-01-01T", "1970-01-01 "));
    CHECK_FALSE(with("00.000Z", R"(00.000Z[2J)"));
    CHECK_FALSE(with("\"log\":\"0", R"("log":"\u001b)"));
    CHECK_FALSE(with("\"log\":\"0", "\"log\":\"g"));
    CHECK_FALSE(with("\"oldest\":1", "\"oldest\":-1"));
    CHECK_FALSE(with("\"seq\":1", "\"seq\":1.5"));
    CHECK_FALSE(with("\"prev\":\"0", "\"prev\":\"A"));
    CHECK(with("\"allowed\":true", "\"allowed\":null"));
}

TEST_CASE("a head is found behind what a system log puts before it") {
    auto key = AuditKey::make();
    REQUIRE(key);
    AuditHead head{.number = 7,
                   .log = key->log(),
                   .time = "2023-11-14T22:13:20.123Z",
                   .oldest = 3,
                   .sequence = 12,
                   .last = Mac{9, 8, 7},
                   .lost = 1,
                   .interval_ms = 60'000};
    const std::string line = sealed_head(head, *key);
    CHECK(line.ends_with("}\n"));
    for (const char* before :
         {"", "<85>yagura[12]: audit head ", "Nov 22 14:00:00 box yagura[12]: audit head "}) {
        const auto found = parse_head(before + line.substr(0, line.size() - 1));
        REQUIRE(found);
        CHECK(found->head.number == 7);
        CHECK(found->head.log == key->log());
        CHECK(found->head.sequence == 12);
        CHECK(found->head.last == head.last);
        CHECK(found->head.oldest == 3);
        CHECK(found->head.lost == 1);
        CHECK(key->head_mac(found->body) == found->mac);
    }
    for (const char* junk : {"", "{\"head\":", "{\"head\":1}", "Nov 22 14:00:00 box sshd[1]: hello"}) {
        CHECK_FALSE(parse_head(junk));
    }
    CHECK_FALSE(
        parse_head(sealed(R"({"head":-1,"log":"","time":"","oldest":1,"seq":1,"last":"","lost":0)", Mac{})));
}

}  // namespace
}  // namespace yagura::control
