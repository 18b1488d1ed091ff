// SPDX-License-Identifier: BSD-3-Clause
#include "select/flow_trace.h"

#include <catch2/catch.hpp>
#include <cstdint>

#include "net/protocol_numbers.h"

using namespace yagura;
using select::FlowEvent;
using select::FlowTrace;

namespace {

net::FlowKey key_of(std::uint8_t source, std::uint16_t sport, std::uint8_t target, std::uint16_t dport,
                    std::uint8_t proto = net::ip_proto::kTcp) {
    net::FlowKey key;
    key.src = {10, 0, 0, source};
    key.dst = {10, 0, 0, target};
    key.sport = sport;
    key.dport = dport;
    key.proto = proto;
    key.ip_version = 4;
    return key;
}

flow::FlowEntry entry_of(const net::FlowKey& key) {
    flow::FlowEntry entry{};
    entry.key = key;
    return entry;
}

FlowEvent gap_of(std::uint64_t bytes) {
    return {.kind = FlowEvent::Kind::kGap, .bytes = bytes};
}

}  // namespace

TEST_CASE("A flow is traced when its key is the wanted one, in either direction and whatever its domain") {
    struct Row {
        const char* what;
        net::FlowKey key;
        bool traced;
    };
    net::FlowKey in_vlan = key_of(1, 1000, 2, 80);
    in_vlan.domain = {7, 0, 0};
    const Row rows[] = {
        {"the same", key_of(1, 1000, 2, 80), true},
        {"the other direction", key_of(2, 80, 1, 1000), true},
        {"in a VLAN", in_vlan, true},
        {"another port", key_of(1, 1001, 2, 80), false},
        {"ports changed over", key_of(1, 80, 2, 1000), false},
        {"another host", key_of(1, 1000, 3, 80), false},
        {"another protocol", key_of(1, 1000, 2, 80, net::ip_proto::kUdp), false},
    };
    for (const Row& row : rows) {
        INFO(row.what);
        FlowTrace trace({.key = key_of(1, 1000, 2, 80)});
        flow::FlowEntry entry = entry_of(row.key);
        trace.begin(3, entry, 0);
        CHECK((entry.traced != 0) == row.traced);
        CHECK(trace.flows() == (row.traced ? 1 : 0));
    }
    FlowTrace any({.key = key_of(1, 1000, 2, 80), .any_protocol = true});
    flow::FlowEntry udp = entry_of(key_of(1, 1000, 2, 80, net::ip_proto::kUdp));
    any.begin(0, udp, 0);
    CHECK(udp.traced);
}

TEST_CASE("A trace keeps its first and its last events, and counts those between") {
    constexpr std::uint64_t kRoom = 8;
    for (const std::uint64_t events : {1, 7, 8, 9, 11, 12, 13, 100}) {
        INFO(events << " events");
        FlowTrace trace({.key = key_of(1, 1000, 2, 80)}, kRoom);
        flow::FlowEntry entry = entry_of(key_of(1, 1000, 2, 80));
        trace.begin(0, entry, 0);  // the first event
        for (std::uint64_t i = 1; i < events; ++i) trace.note(gap_of(i));
        const auto kept = trace.events();
        const std::uint64_t forgotten = events > kRoom ? events - kRoom : 0;
        CHECK(trace.forgotten() == forgotten);
        REQUIRE(kept.size() == events - forgotten);
        for (std::uint64_t i = 1; i < kept.size(); ++i) {
            CHECK(kept[i].bytes == (forgotten != 0 && i >= trace.kept_before_gap() ? i + forgotten : i));
        }
    }
}

TEST_CASE("Directions are those of the wanted key") {
    FlowTrace trace({.key = key_of(1, 1000, 2, 80)});
    flow::FlowEntry forth = entry_of(key_of(1, 1000, 2, 80));
    flow::FlowEntry back = entry_of(key_of(2, 80, 1, 1000));
    trace.begin(0, forth, 0);
    trace.note({.kind = FlowEvent::Kind::kGap, .direction = 1});
    trace.end(0, select::FlowEnd::kReuse, 0);
    trace.begin(0, back, 0);
    trace.note({.kind = FlowEvent::Kind::kGap, .direction = 1});
    const auto events = trace.events();
    REQUIRE(events.size() == 5);
    CHECK(events[0].direction == 0);
    CHECK(events[1].direction == 1);
    CHECK(events[3].direction == 1);
    CHECK(events[4].direction == 0);
    CHECK(events[2].flow == 0);
    CHECK(events[4].flow == 1);
}

TEST_CASE("A trace follows a bounded number of flows at once") {
    FlowTrace trace({.key = key_of(1, 1000, 2, 80)});
    for (std::uint32_t i = 0; i < FlowTrace::kMostFlows + 3; ++i) {
        flow::FlowEntry entry = entry_of(key_of(1, 1000, 2, 80));
        trace.begin(i, entry, 0);
        CHECK((entry.traced != 0) == (i < FlowTrace::kMostFlows));
    }
    CHECK(trace.untraced_flows() == 3);
    trace.end(5, select::FlowEnd::kTimeout, 0);
    flow::FlowEntry entry = entry_of(key_of(1, 1000, 2, 80));
    trace.begin(100, entry, 0);
    CHECK(entry.traced);
}

TEST_CASE("Other flows of the same two hosts are remembered, a few of them") {
    FlowTrace trace({.key = key_of(1, 1000, 2, 80)});
    const auto meet = [&](const net::FlowKey& key) {
        flow::FlowEntry entry = entry_of(key);
        trace.begin(0, entry, 0);
    };
    meet(key_of(1, 1000, 3, 80));
    CHECK(trace.near_miss_count() == 0);
    meet(key_of(1, 2000, 2, 80));
    meet(key_of(2, 80, 1, 2000));
    CHECK(trace.near_miss_count() == 2);
    CHECK(trace.near_misses() == std::vector{key_of(1, 2000, 2, 80)});
    for (std::uint16_t port = 0; port < 100; ++port) meet(key_of(2, port, 1, 1));
    CHECK(trace.near_misses().size() == FlowTrace::kMostNearMisses);
    CHECK(trace.near_miss_count() == 102);
    trace.untracked(key_of(2, 80, 1, 1000));
    trace.untracked(key_of(2, 81, 1, 1000));
    CHECK(trace.untracked_packets() == 1);
}

TEST_CASE("Held packets with the same end are one event") {
    FlowTrace trace({.key = key_of(1, 1000, 2, 80)});
    flow::FlowEntry entry = entry_of(key_of(1, 1000, 2, 80));
    trace.begin(0, entry, 0);
    trace.unheld(1, select::DropReason::kNone, 1, 100);
    trace.unheld(1, select::DropReason::kNone, 1, 50);
    trace.unheld(3, select::DropReason::kNone, 1, 60);
    trace.unheld(0, select::DropReason::kNotSelected, 2, 70);
    const auto events = trace.events();
    REQUIRE(events.size() == 4);
    CHECK(events[1].packets == 2);
    CHECK(events[1].bytes == 150);
    CHECK(events[2].tools == 3);
    CHECK(events[3].kind == FlowEvent::Kind::kHeldDropped);
}
