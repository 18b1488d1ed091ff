// SPDX-License-Identifier: BSD-3-Clause
#include "app/bench/card/sample_text.h"

#include <catch2/catch.hpp>
#include <string>

#include "match/compiled_rules.h"
#include "net/packet_builder.h"
#include "rules/json_document.h"
#include "rules/pattern.h"

namespace yagura::bench {
namespace {

rules::Pattern pattern(const std::string& text) {
    rules::ErrorList errors;
    return rules::read_pattern(text, {}, errors);
}

/// Whether Hyperscan finds it, too.
bool finds(const rules::Pattern& wanted, const std::string& text) {
    const rules::Rule rule{.id = 1, .payload = {wanted}, .forward = {0}, .scope = rules::Scope::kPacket};
    const auto compiled = match::CompiledRules::compile({&rule, 1}, net::LinkType::kEthernet);
    REQUIRE(compiled.errors.empty());
    const auto frame =
        net::PacketBuilder().ethernet().ipv4("10.0.0.1", "10.0.0.2").udp(1, 2).payload(text).build();
    const net::ParsedPacket parsed = net::parse(frame, frame.size(), net::LinkType::kEthernet);
    const auto size = static_cast<std::uint32_t>(frame.size());
    const match::PacketView view{.frame = frame, .wire_length = size, .parsed = &parsed, .captured = size};
    const auto scratch = compiled.rules->make_scratch();
    return !compiled.rules->payload_rules(view, base::Bytes(frame).subspan(parsed.payload), 1, *scratch)
                .empty();
}

TEST_CASE("a sample of a pattern is found by it") {
    struct Row {
        std::string text;
        std::string sample;
    };
    const Row rows[] = {
        {"union select", "union select"},
        {"POST ", "POST "},
        {R"(/union\s+(all\s+)?select/i)", "union select"},
        {R"(/'\s*or\s+1\s*=\s*1/i)", "'or 1=1"},
        {R"(/^HTTP\/1.[01] 200 /)", "HTTP/1a0 200 "},
        {R"(/passw(or)?d=/i)", "passwd="},
        {R"(/(;|%3b)(\s|\+|%20)*drop(\s|\+|%20)+table/i)", ";drop table"},
        {R"(/^(authorization|cookie):/im)", "authorization:"},
        {R"(/^\x16\x03/)", "\x16\x03"},
        {R"(/\x{16}a{3}/)",
         "\x16"
         "aaa"},
        {R"(/a{2,5}b{3}?c/)", "aabbbc"},
        {R"(/[^a-z0-9]x/)", " x"},
        {R"(/[\d_-]+@/)", "0@"},
        {R"(/[]a]b/)", "ab"},
        {R"(/(?i:get) (?:\/|x)\w\W\S\D\./)", "get /a aa."},
        {R"(/\bend\.?$/)", "end"},
        {R"(/a+?bc*d/)", "abd"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.text);
        const rules::Pattern wanted = pattern(row.text);
        REQUIRE(sample_of(wanted));
        CHECK(*sample_of(wanted) == row.sample);
        CHECK(finds(wanted, row.sample));
    }
}

TEST_CASE("of an expression that is beyond simple choices there is no sample") {
    for (const std::string text :
         {R"(/a(?=b)/)", R"(/a(?!b)/)", R"(/(?<x>a)/)", R"(/(a)\1/)", R"(/[[:alpha:]]/)", R"(/\p{L}/)",
          R"(/a{99999}/)", "/(a/", "/a)/", "/[a/", "/*a/", "/a\\/"}) {
        CAPTURE(text);
        CHECK_FALSE(sample_of(pattern(text)));
    }
}

}  // namespace
}  // namespace yagura::bench
