// SPDX-License-Identifier: BSD-3-Clause
#include "reset/reset_builder.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "net/checksum.h"
#include "net/protocol_numbers.h"
#include "seen_frames.h"

using namespace yagura;
using namespace net::tcp_flag;
using net::FlowKey;
using net::LinkType;
using net::PacketBuilder;
using net::ParsedPacket;
using reset::Crafted;
using reset::Encapsulation;
using reset::HopFields;
using reset::Refusal;
using reset::ResetBuilder;
using reset::Segment;
using Frame = std::vector<std::uint8_t>;

namespace {

const ResetBuilder kBuilder({1, 2});
constexpr Segment kReset{.seq = 0xfffffff0, .ack = 77, .flags = kRst | kAck};

ParsedPacket parse(const Frame& frame) {
    return net::parse(frame, frame.size(), LinkType::kEthernet);
}

Encapsulation front_of(const Frame& frame) {
    Encapsulation taken;
    REQUIRE(Encapsulation::take(frame, parse(frame), taken) == Refusal::kNone);
    return taken;
}

Frame craft(const Encapsulation& around, const FlowKey& key, const Segment& segment,
            HopFields hop = {.ttl = kClientTtl}) {
    Frame out(ResetBuilder::kMaxSegmentFrame, 0xee);
    const Crafted crafted = kBuilder.segment(around, key, hop, segment, out);
    REQUIRE(crafted.ok());
    out.resize(crafted.size);
    return out;
}

Frame plain(std::uint8_t ip_version = 4) {
    return seen_bytes(seen_frames()[ip_version == 4 ? 0 : 1]);
}

/// What our frames have and the other builder's do not: IPv4's id, DF and the checksum over them or IPv6's
/// flow label, a RST's window and the checksum over that.
void forget_marks(Frame& frame) {
    const ParsedPacket parsed = parse(frame);
    REQUIRE(parsed.transport != net::kNoOffset);
    const auto clear = [&frame](std::size_t at, std::size_t size) {
        std::fill_n(&frame[at], size, std::uint8_t{0});
    };
    clear(parsed.transport + 14u, 4);
    if (parsed.key.ip_version == 6) {
        clear(parsed.inner_ip + 2u, 2);
        frame[parsed.inner_ip + 1u] &= 0xf0;
    } else {
        clear(parsed.inner_ip + 4u, 4);
        clear(parsed.inner_ip + 10u, 2);
    }
}

}  // namespace

TEST_CASE("a RST has the whole front of the flow's frames, as another builder makes it") {
    for (const SeenFrame& seen : seen_frames()) {
        if (seen.onward != Refusal::kNone) continue;
        INFO(seen.name);
        const FlowKey key = seen_key(seen.ip_version);
        const Frame made = craft(front_of(seen_bytes(seen)), key, kReset);

        const ParsedPacket got = parse(made);
        CHECK(got.malformed == net::Malformed::kNone);
        CHECK(got.key == key);
        CHECK(got.tcp_flags == (kRst | kAck));
        CHECK(got.payload_size == 0);
        const SeenFrame reference{.name = {},
                                  .front = seen.made_front ? seen.made_front : seen.front,
                                  .ip_version = seen.ip_version};
        Frame expected = seen_ip(reference)
                             .tcp(key.sport, key.dport, kReset.flags, {.seq = kReset.seq, .ack = kReset.ack})
                             .pad_to(60)
                             .build();
        const ParsedPacket wanted = parse(expected);
        CHECK(got.vlans == wanted.vlans);
        CHECK(got.tunnel == wanted.tunnel);
        CHECK(got.tunnel_id == wanted.tunnel_id);
        CHECK(got.inner_ip == wanted.inner_ip);
        CHECK(made.size() == expected.size());
    }
}

TEST_CASE("byte for byte, where no header has a field of ours but the flow's own") {
    for (const std::uint8_t version : {std::uint8_t{4}, std::uint8_t{6}}) {
        const FlowKey key = seen_key(version);
        Frame made = craft(front_of(plain(version)), key, kReset);
        Frame expected = seen_ip(seen_frames()[version == 4 ? 0 : 1])
                             .tcp(key.sport, key.dport, kReset.flags, {.seq = kReset.seq, .ack = kReset.ack})
                             .pad_to(60)
                             .build();
        forget_marks(made);
        forget_marks(expected);
        CHECK(made == expected);
    }
}

TEST_CASE("checksums of the innermost packet are right, and the padding is zeros") {
    for (const SeenFrame& seen : seen_frames()) {
        if (seen.onward != Refusal::kNone) continue;
        INFO(seen.name);
        const FlowKey key = seen_key(seen.ip_version);
        const Frame made = craft(front_of(seen_bytes(seen)), key, kReset);
        const ParsedPacket got = parse(made);
        const base::Bytes bytes(made);
        if (seen.ip_version == 4) CHECK(net::internet_checksum(bytes.subspan(got.inner_ip, 20)) == 0);
        const std::uint32_t pseudo = net::pseudo_header_sum(key.src, key.dst, seen.ip_version, 6, 20);
        CHECK(net::finish_sum(net::add_to_sum(pseudo, bytes.subspan(got.transport, 20))) == 0);
        for (std::size_t at = got.transport + 20u; at < made.size(); ++at) CHECK(made[at] == 0);
    }
}

TEST_CASE("TTL and traffic class are the direction's, without ECN") {
    for (const std::uint8_t version : {std::uint8_t{4}, std::uint8_t{6}}) {
        const Frame made = craft(front_of(plain(version)), seen_key(version), kReset,
                                 {.ttl = 3, .traffic_class = 0xb8 | 0x03});
        const std::size_t ip = parse(made).inner_ip;
        CHECK(made[ip + (version == 4 ? 8 : 7)] == 3);
        const unsigned traffic_class =
            version == 4 ? made[ip + 1] : (base::load_be16(&made[ip]) >> 4 & 0xffu);
        CHECK(traffic_class == 0xb8);
    }
}

TEST_CASE("an outer UDP checksum is right where there was one, and 0 where there was none") {
    Frame seen = PacketBuilder()
                     .ethernet()
                     .ipv6("2001:db8::a", "2001:db8::b")
                     .udp(50000, 4789)
                     .vxlan(5)
                     .ethernet()
                     .ipv4("10.1.2.3", "10.9.8.7")
                     .tcp(40000, 443)
                     .build();
    constexpr std::size_t kUdpAt = 14 + 40;
    const auto sum_of = [](const Frame& frame) {
        const base::Bytes bytes(frame);
        const std::uint32_t sum = net::add_to_sum(0, bytes.subspan(14 + 8, 32));
        const base::Bytes udp = bytes.subspan(kUdpAt);
        return net::finish_sum(net::add_to_sum(sum + 17 + static_cast<std::uint32_t>(udp.size()), udp));
    };
    REQUIRE(sum_of(seen) == 0);
    const Frame with = craft(front_of(seen), seen_key(4), kReset);
    CHECK(base::load_be16(&with[kUdpAt + 6]) != 0);
    CHECK(sum_of(with) == 0);

    base::store_be16(&seen[kUdpAt + 6], 0);
    const Frame without = craft(front_of(seen), seen_key(4), kReset);
    CHECK(base::load_be16(&without[kUdpAt + 6]) == 0);
}

TEST_CASE("a GRE checksum is made anew") {
    const Frame seen = PacketBuilder()
                           .ethernet()
                           .ipv4("192.0.2.1", "192.0.2.2")
                           .gre({.checksum = true})
                           .ipv4("10.1.2.3", "10.9.8.7")
                           .tcp(40000, 443)
                           .build();
    const Frame made = craft(front_of(seen), seen_key(4), kReset);
    CHECK(net::internet_checksum(base::Bytes(made).subspan(34)) == 0);
}

TEST_CASE("a segment that is no RST says the window that it is given") {
    const Frame made =
        craft(front_of(plain()), seen_key(4), {.seq = 1, .ack = 2, .flags = kAck, .window = 0x1234});
    const std::size_t tcp = parse(made).transport;
    CHECK(base::load_be16(&made[tcp + 14]) == 0x1234);
    CHECK(base::load_be32(&made[tcp + 4]) == 1);
    CHECK(base::load_be32(&made[tcp + 8]) == 2);
}

TEST_CASE("nothing is made of what is no TCP, or for which there is no room") {
    Frame out(ResetBuilder::kMaxSegmentFrame);
    const Encapsulation front = front_of(plain());
    FlowKey udp = seen_key(4);
    udp.proto = net::ip_proto::kUdp;
    CHECK(kBuilder.segment(front, udp, {}, kReset, out).refusal == Refusal::kNotTcp);
    CHECK(kBuilder.segment(front, FlowKey{}, {}, kReset, out).refusal == Refusal::kNoFlow);
    CHECK(kBuilder.segment(front, seen_key(4), {}, kReset, std::span(out).first(59)).refusal ==
          Refusal::kNoRoom);
    CHECK(kBuilder.segment(front, seen_key(4), {}, kReset, std::span(out).first(60)).ok());
}

TEST_CASE("our own RST is known again, on whatever way it comes") {
    for (const SeenFrame& seen : seen_frames()) {
        if (seen.onward != Refusal::kNone) continue;
        INFO(seen.name);
        const FlowKey key = seen_key(seen.ip_version);
        Frame made = craft(front_of(seen_bytes(seen)), key, kReset);
        CHECK(kBuilder.is_own(made, parse(made)));
        CHECK_FALSE(ResetBuilder({1, 3}).is_own(made, parse(made)));
        // Routers on the way.
        const std::size_t ip = parse(made).inner_ip;
        --made[ip + (seen.ip_version == 4 ? 8 : 7)];
        CHECK(kBuilder.is_own(made, parse(made)));
        const Frame foreign = seen_ip(seen).tcp(key.sport, key.dport, kRst | kAck).build();
        CHECK_FALSE(kBuilder.is_own(foreign, parse(foreign)));
    }
}

TEST_CASE("the mark of one RST is of no use to another") {
    const Frame made = craft(front_of(plain()), seen_key(4), kReset);
    const ParsedPacket parsed = parse(made);
    REQUIRE(kBuilder.is_own(made, parsed));
    const std::size_t tcp = parsed.transport;
    const std::size_t changed[] = {parsed.inner_ip + 4u,
                                   parsed.inner_ip + 12u,
                                   parsed.inner_ip + 19u,
                                   tcp,
                                   tcp + 3,
                                   tcp + 4,
                                   tcp + 7,
                                   tcp + 8,
                                   tcp + 11,
                                   tcp + 14,
                                   tcp + 15};
    for (const std::size_t at : changed) {
        INFO(at);
        Frame other = made;
        other[at] ^= 1;
        CHECK_FALSE(kBuilder.is_own(other, parse(other)));
    }
    Frame without_ack = made;
    without_ack[tcp + 13] = kRst;
    CHECK_FALSE(kBuilder.is_own(without_ack, parse(without_ack)));
    Frame no_reset = made;
    no_reset[tcp + 13] = kAck;
    CHECK_FALSE(kBuilder.is_own(no_reset, parse(no_reset)));
}

TEST_CASE("a probe bears our id, and nothing else is asked for it") {
    for (const SeenFrame& seen : seen_frames()) {
        if (seen.onward != Refusal::kNone) continue;
        INFO(seen.name);
        const FlowKey key = seen_key(seen.ip_version);
        const Segment probe{.seq = 1, .ack = 2, .flags = kAck, .window = 77};
        Frame made = craft(front_of(seen_bytes(seen)), key, probe);
        CHECK(kBuilder.may_be_probe(made, parse(made)));
        CHECK_FALSE(kBuilder.is_own(made, parse(made)));
        CHECK_FALSE(ResetBuilder({5, 5}).may_be_probe(made, parse(made)));
        made[parse(made).transport + 4u] ^= 1;
        CHECK_FALSE(kBuilder.may_be_probe(made, parse(made)));
        const Frame reset = craft(front_of(seen_bytes(seen)), key, kReset);
        CHECK_FALSE(kBuilder.may_be_probe(reset, parse(reset)));
    }
}
