// SPDX-License-Identifier: BSD-3-Clause
#include "app/bench/memory_source.h"

#include <rte_mbuf.h>

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <map>
#include <set>

#include "app/bench/traffic.h"
#include "port/packet.h"

namespace yagura::bench {
namespace {

using Burst = std::array<rte_mbuf*, 32>;

RawFrames frames_of(std::uint32_t flows) {
    return make_packets(flows, flows, *parse_frame_sizes("imix"), 50);
}

base::Bytes bytes_of(const rte_mbuf* packet) {
    return {rte_pktmbuf_mtod(packet, const std::uint8_t*), rte_pktmbuf_pkt_len(packet)};
}

net::FlowKey flow_of(const rte_mbuf* packet) {
    return net::parse(bytes_of(packet), port::meta(packet).wire_length, net::LinkType::kEthernet).key;
}

bool equal(base::Bytes a, const std::vector<std::uint8_t>& b) {
    return std::ranges::equal(a, b);
}

TEST_CASE("packets come round in the order in which they end, with their bytes") {
    const RawFrames raw = frames_of(100);
    const auto store = PacketStore::create(raw, false);
    REQUIRE(store.ok());
    RepeatingSource source(**store);
    Burst burst;
    for (std::size_t n = 0; n < 1000;) {
        const unsigned taken = source.receive(burst);
        REQUIRE(taken == burst.size());
        for (unsigned i = 0; i < taken; ++i, ++n) {
            CHECK(equal(bytes_of(burst[i]), raw.frames[n % 100].bytes));
            CHECK(port::meta(burst[i]).order_record == n);
            CHECK(rte_mbuf_refcnt_read(burst[i]) == 1);
        }
        rte_pktmbuf_free_bulk(burst.data(), taken);
    }
    CHECK((*store)->whole());
}

TEST_CASE("a packet that several tools share comes back when the last has freed it") {
    const auto store = PacketStore::create(frames_of(32), false);
    REQUIRE(store.ok());
    RepeatingSource source(**store);
    Burst burst;
    REQUIRE(source.receive(burst) == 32);
    for (rte_mbuf* packet : burst) rte_mbuf_refcnt_update(packet, 1);
    rte_pktmbuf_free_bulk(burst.data(), 32);
    Burst none;
    CHECK(source.receive(none) == 0);
    rte_pktmbuf_free_bulk(burst.data(), 32);
    CHECK((*store)->whole());
}

TEST_CASE("a packet that has not ended is not handed out again") {
    const auto store = PacketStore::create(frames_of(40), true);
    REQUIRE(store.ok());
    RepeatingSource source(**store);
    Burst first;
    Burst second;
    CHECK(source.receive(first) == 32);
    CHECK(source.receive(second) == 8);
    CHECK(source.receive({second.data() + 8, 24}) == 0);
    rte_pktmbuf_free_bulk(first.data(), 32);
    CHECK(source.receive({second.data() + 8, 24}) == 24);
    CHECK(std::set<rte_mbuf*>(second.begin(), second.end()).size() == 32);
    rte_pktmbuf_free_bulk(second.data(), 32);
    CHECK((*store)->whole());
}

TEST_CASE("few packets stand for many flows: each once, then any of them") {
    constexpr std::uint64_t kFlows = 5000;
    const auto store = PacketStore::create(frames_of(100), true);
    REQUIRE(store.ok());
    ManyFlowsSource source(**store, {.flows = kFlows, .chosen = 10, .fresh = false});
    std::set<net::FlowKey> flows;
    unsigned selected = 0;
    Burst burst;
    std::span<rte_mbuf*> five(burst.data(), 5);
    for (std::uint64_t n = 0; n < 3 * kFlows; n += 5) {
        REQUIRE(source.receive(five) == 5);
        for (const rte_mbuf* packet : five) {
            const net::FlowKey key = flow_of(packet);
            flows.insert(key.canonical());
            if (n < kFlows) selected += key.dport == 80 ? 1 : 0;
        }
        if (n < kFlows) CHECK(flows.size() == n + 5);
        rte_pktmbuf_free_bulk(five.data(), 5);
    }
    CHECK(flows.size() == kFlows);
    CHECK(selected == kFlows / 10);
    CHECK((*store)->whole());
}

TEST_CASE("fresh flows have sixteen packets each, and never come again") {
    constexpr std::uint64_t kFlows = 10;
    const auto store = PacketStore::create(frames_of(100), true);
    REQUIRE(store.ok());
    ManyFlowsSource source(**store, {.flows = kFlows, .chosen = 0, .fresh = true});
    std::set<net::FlowKey> before;
    Burst burst;
    std::span<rte_mbuf*> some(burst.data(), 16);
    std::uint64_t last_time = 0;
    for (unsigned lap = 0; lap < 20; ++lap) {
        std::map<net::FlowKey, unsigned> flows;
        for (unsigned n = 0; n < kFlows; ++n) {
            REQUIRE(source.receive(some) == 16);
            for (const rte_mbuf* packet : some) ++flows[flow_of(packet).canonical()];
            CHECK(port::meta(some[0]).order_time >= last_time);
            last_time = port::meta(some[0]).order_time;
            rte_pktmbuf_free_bulk(some.data(), 16);
        }
        CHECK(flows.size() == kFlows);
        for (const auto& [key, packets] : flows) {
            CHECK(packets == 16);
            CHECK(before.insert(key).second);
        }
    }
    CHECK((*store)->whole());
}

TEST_CASE("a tape is in order, has new flows each lap, and begins again when all of it has ended") {
    constexpr std::uint32_t kFlows = 5;
    const auto raw = make_sessions(kFlows, *parse_frame_sizes("128"), 0, {});
    const auto store = PacketStore::create(*raw, false);
    REQUIRE(store.ok());
    TapeSource source(**store, *raw);
    std::set<net::FlowKey> flows;
    Burst burst;
    std::vector<rte_mbuf*> out;
    for (unsigned lap = 0; lap < 10; ++lap) {
        while (const unsigned n = source.receive(burst)) {
            for (unsigned i = 0; i < n; ++i) {
                const net::FlowKey in_tape =
                    net::parse(raw->frames[out.size()].bytes, raw->frames[out.size()].wire_length,
                               net::LinkType::kEthernet)
                        .key;
                CHECK(flow_of(burst[i]) == flow_in_lap(in_tape, lap));
                flows.insert(flow_of(burst[i]).canonical());
                out.push_back(burst[i]);
            }
        }
        CHECK(out.size() == raw->frames.size());
        // They end in any order.
        while (out.size() > 1) {
            rte_pktmbuf_free(out.back());
            out.pop_back();
        }
        CHECK(source.receive(burst) == 0);
        rte_pktmbuf_free(out.back());
        out.clear();
    }
    CHECK(flows.size() == 10 * kFlows);
    CHECK(source.counts().laps == 10);
    CHECK(source.counts().payload_bytes == 10 * kFlows * kPacketsOfSession * (128 - 54));

    // In the middle of a lap: what was not handed out is given back by the source.
    const unsigned n = source.receive(burst);
    rte_pktmbuf_free_bulk(burst.data(), n);
    CHECK_FALSE((*store)->whole());
    source.close();
    CHECK((*store)->whole());
}

}  // namespace
}  // namespace yagura::bench
