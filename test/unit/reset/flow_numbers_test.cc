// SPDX-License-Identifier: BSD-3-Clause
#include "reset/flow_numbers.h"

#include <catch2/catch.hpp>

#include "net/packet_builder.h"

using namespace yagura;
using namespace net::tcp_flag;
using reset::EndNumbers;
using reset::FlowNumbers;
using reset::SeenSegment;

namespace {

SeenSegment segment(std::uint32_t seq, std::uint32_t ack, std::uint32_t payload = 0,
                    std::uint8_t flags = kAck) {
    return {.seq = seq, .ack = ack, .payload = payload, .window = 500, .flags = flags, .ttl = 60};
}

FlowNumbers established(std::uint32_t client, std::uint32_t server) {
    FlowNumbers flow{};
    flow.note(0, segment(client - 1, 0, 0, kSyn));
    flow.note(1, segment(server - 1, client, 0, kSyn | kAck));
    flow.note(0, segment(client, server));
    return flow;
}

}  // namespace

TEST_CASE("a handshake and data give what each end waits for") {
    FlowNumbers flow = established(1000, 5000);
    CHECK(flow.ends[0].seq_end == 1000);
    CHECK(flow.ends[0].ack == 5000);
    CHECK(flow.ends[1].seq_end == 5000);
    CHECK(flow.ends[1].ack == 1000);
    CHECK(flow.ends[1].window == 500);
    CHECK(flow.ends[1].ttl == 60);
    flow.note(0, segment(1000, 5000, 300));
    CHECK(flow.ends[0].seq_end == 1300);
    CHECK(flow.ends[1].ack == 1000);
    flow.note(1, segment(5000, 1300));
    CHECK(flow.ends[1].ack == 1300);
}

TEST_CASE("what comes again, late or as a probe changes nothing") {
    FlowNumbers flow = established(1000, 5000);
    flow.note(0, segment(1000, 5000, 300));
    flow.note(1, segment(5000, 1300, 40));
    const FlowNumbers before = flow;
    flow.note(0, segment(1000, 5000, 300));
    flow.note(0, segment(1299, 5000));
    flow.note(0, segment(999, 0, 0, kSyn));
    flow.note(1, segment(4999, 1000, 0));
    CHECK(flow.ends[0].seq_end == before.ends[0].seq_end);
    CHECK(flow.ends[1].seq_end == before.ends[1].seq_end);
    CHECK(flow.ends[0].ack == before.ends[0].ack);
    CHECK(flow.ends[1].ack == before.ends[1].ack);
}

TEST_CASE("numbers go on behind the greatest one") {
    FlowNumbers flow = established(0xffffff00, 0xfffffff0);
    flow.note(0, segment(0xffffff00, 0xfffffff0, 0x200));
    flow.note(1, segment(0xfffffff0, 0x100, 0x20));
    CHECK(flow.ends[0].seq_end == 0x100);
    CHECK(flow.ends[1].ack == 0x100);
    CHECK(flow.ends[1].seq_end == 0x10);
}

TEST_CASE("nobody acknowledges what was not sent") {
    FlowNumbers flow = established(1000, 5000);
    flow.note(1, segment(5000, 1001));
    CHECK(flow.ends[1].ack == 1000);
    // Of an end that is not seen, its peer is believed.
    FlowNumbers one_way{};
    one_way.note(0, segment(1000, 5000, 10));
    one_way.note(0, segment(1010, 6000, 10));
    CHECK(one_way.ends[0].ack == 6000);
}

TEST_CASE("a connection is over after both FINs or a RST that is obeyed, and only then") {
    FlowNumbers flow = established(1000, 5000);
    flow.note(0, segment(1000, 5000, 0, kFin | kAck));
    CHECK_FALSE(flow.is_over());
    flow.note(1, segment(5000, 1001, 10, kFin | kAck));
    CHECK_FALSE(flow.is_over());
    flow.note(0, segment(1001, 5011));
    CHECK(flow.is_over());

    flow = established(1000, 5000);
    flow.note(0, segment(4711, 0, 0, kRst));
    CHECK_FALSE(flow.is_over());
    flow.note(0, segment(1000, 0, 0, kRst));
    CHECK(flow.is_over());
    // Who sends more has not ended.
    flow.note(0, segment(1000, 5000, 5));
    CHECK_FALSE(flow.is_over());
}

TEST_CASE("a segment is read out of its frame") {
    const auto read = [](const std::vector<std::uint8_t>& frame) {
        return reset::read_segment(frame, frame.size(),
                                   net::parse(frame, frame.size(), net::LinkType::kEthernet));
    };
    for (const bool v4 : {true, false}) {
        net::PacketBuilder builder = net::PacketBuilder().ethernet().vlan(5);
        v4 ? builder.ipv4("10.0.0.1", "10.0.0.2")
           : builder.ipv6("2001:db8::1", "2001:db8::2").ttl(9).ipv6_extension(60);
        if (v4) builder.ttl(9);
        const auto found = read(builder.tcp(1, 2, kAck | kFin, {.seq = 7, .ack = 8, .window = 9})
                                    .payload("abc")
                                    .pad_to(120)
                                    .build());
        REQUIRE(found);
        CHECK(found->seq == 7);
        CHECK(found->ack == 8);
        CHECK(found->window == 9);
        CHECK(found->payload == 3);
        CHECK(found->end() == 11);
        CHECK(found->flags == (kAck | kFin));
        CHECK(found->ttl == 9);
    }
    CHECK_FALSE(read(net::PacketBuilder().ethernet().ipv4("10.0.0.1", "10.0.0.2").udp(1, 2).build()));
    CHECK_FALSE(read(net::PacketBuilder().ethernet().arp().build()));
}
