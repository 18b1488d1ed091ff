// SPDX-License-Identifier: BSD-3-Clause
#include "app/bench/traffic.h"

#include <catch2/catch.hpp>
#include <map>
#include <string>

#include "app/bench/flow_writer.h"
#include "net/protocol_numbers.h"

namespace yagura::bench {
namespace {

net::ParsedPacket parse(const RawFrame& frame) {
    return net::parse(frame.bytes, frame.wire_length, net::LinkType::kEthernet);
}

std::string payload_of(const RawFrame& frame) {
    const net::ParsedPacket parsed = parse(frame);
    const auto begin = frame.bytes.begin() + parsed.payload;
    return {begin, begin + parsed.payload_size};
}

std::uint32_t seq_of(const RawFrame& frame) {
    const std::uint8_t* at = frame.bytes.data() + parse(frame).transport + 4;
    return std::uint32_t{at[0]} << 24 | std::uint32_t{at[1]} << 16 | std::uint32_t{at[2]} << 8 | at[3];
}

TEST_CASE("sizes of frames are read, and what is none is refused") {
    CHECK(parse_frame_sizes("64")->turn == std::vector<std::uint32_t>{64});
    CHECK(parse_frame_sizes("1518")->most() == 1518);
    for (const char* text : {"", "63", "1519", "64 ", "0x40", "IMIX", "-64", "64,128"}) {
        INFO(text);
        CHECK_FALSE(parse_frame_sizes(text).ok());
    }
}

TEST_CASE("imix is 7:4:1 of 64, 594 and 1518 bytes") {
    const FrameSizes sizes = *parse_frame_sizes("imix");
    std::map<std::uint32_t, unsigned> count;
    for (std::size_t n = 0; n < 1200; ++n) ++count[sizes.of(n)];
    CHECK(count == std::map<std::uint32_t, unsigned>{{64, 700}, {594, 400}, {1518, 100}});
    CHECK(sizes.mean() == Approx((7 * 64 + 4 * 594 + 1518) / 12.0));
}

TEST_CASE("made packets have the sizes, flows and services that are asked for") {
    const RawFrames raw = make_packets(200, 450, *parse_frame_sizes("imix"), 25);
    REQUIRE(raw.frames.size() == 600);
    unsigned selected = 0;
    for (std::size_t i = 0; i < raw.frames.size(); ++i) {
        const net::ParsedPacket parsed = parse(raw.frames[i]);
        CHECK(parsed.malformed == net::Malformed::kNone);
        CHECK(raw.frames[i].bytes.size() == parse_frame_sizes("imix")->of(i));
        CHECK(parsed.key.canonical() == made_flow(i % 200, is_chosen(i % 200, 25)).canonical());
        selected += parsed.key.dport == 80 || parsed.key.sport == 80 ? 1 : 0;
    }
    CHECK(selected == 150);
    // The second lap answers the first.
    CHECK(parse(raw.frames[7]).key == parse(raw.frames[207]).key.reversed());
}

TEST_CASE("made sessions are in sequence, and end") {
    constexpr std::uint32_t kFlows = 30;
    const auto raw = make_sessions(kFlows, *parse_frame_sizes("imix"), 0, {});
    REQUIRE(raw.ok());
    REQUIRE(raw->frames.size() == kFlows * kPacketsOfSession);
    std::map<net::FlowKey, std::uint32_t> next;
    std::map<net::FlowKey, unsigned> fins;
    for (const RawFrame& frame : raw->frames) {
        const net::ParsedPacket parsed = parse(frame);
        const auto [at, first] = next.try_emplace(parsed.key, 1);
        CHECK(fins[parsed.key] == 0);
        CHECK(seq_of(frame) == at->second);
        at->second += parsed.payload_size;
        if ((parsed.tcp_flags & net::tcp_flag::kFin) != 0) ++fins[parsed.key];
    }
    CHECK(next.size() == 2 * kFlows);
    for (const auto& [key, count] : fins) CHECK(count == 1);
}

TEST_CASE("a pattern stands in the share of sessions that is asked for, and in no other") {
    const std::vector<Literal> literals = make_literals(10);
    for (const char* size : {"128", "imix"}) {
        const auto raw = make_sessions(200, *parse_frame_sizes(size), 10, literals);
        REQUIRE(raw.ok());
        unsigned found = 0;
        for (const RawFrame& frame : raw->frames) {
            const std::string payload = payload_of(frame);
            for (const Literal& literal : literals) found += payload.find(literal.bytes) != std::string::npos;
        }
        CHECK(found == 20);
    }
}

TEST_CASE("frames without room for a pattern that is to be found are refused") {
    const std::vector<Literal> literals{{.bytes = "eleven byte"}};
    CHECK_FALSE(make_sessions(100, *parse_frame_sizes("64"), 1, literals).ok());
    CHECK(make_sessions(100, *parse_frame_sizes("65"), 1, literals).ok());
    CHECK(make_sessions(100, *parse_frame_sizes("64"), 0, literals).ok());
}

}  // namespace
}  // namespace yagura::bench
