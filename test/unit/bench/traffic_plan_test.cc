// SPDX-License-Identifier: BSD-3-Clause
#include "app/bench/card/traffic_plan.h"

#include <rte_mbuf.h>

#include <array>
#include <catch2/catch.hpp>
#include <map>

#include "app/bench/card/packet_writer.h"
#include "net/parser.h"
#include "port/packet_pool.h"

namespace yagura::bench {
namespace {

constexpr unsigned kPackets = 1000;

FlowClass flow_class(std::uint8_t proto, std::uint8_t ip_version) {
    FlowClass made;
    made.key = {.src = {10, 64},
                .dst = {198, 18, 7, 9},
                .sport = 32768,
                .dport = 80,
                .proto = proto,
                .ip_version = ip_version};
    made.src_bits = 22;
    return made;
}

ClassPlan classes() {
    return {.selected = {flow_class(6, 4), flow_class(17, 4)},
            .others = {flow_class(6, 6), flow_class(17, 6), flow_class(6, 4)}};
}

TrafficPlan::Options options(std::uint32_t packets_per_flow = 20) {
    return {
        .sizes = {64, 594, 1518}, .hits = 0.25, .packets_per_flow = packets_per_flow, .lap_ns = 1'000'000};
}

/// The shares of what is written, as the parser sees it.
struct Seen {
    std::map<net::Tunnel, double> tunnels;
    std::map<unsigned, double> tags;
    double fragments = 0;
    unsigned torn = 0;  ///< datagrams whose second fragment did not come next
};
Seen see(const TrafficShares& shares, std::uint32_t flows = 500) {
    const auto plan = TrafficPlan::create(classes(), options(), shares);
    REQUIRE(plan.ok());
    const auto pool = port::PacketPool::create("traffic_plan", kPackets);
    REQUIRE(pool.ok());
    std::array<rte_mbuf*, kPackets> packets{};
    REQUIRE(rte_pktmbuf_alloc_bulk((*pool)->get(), packets.data(), kPackets) == 0);
    const auto writer = make_writer(*plan, flows, true);
    for (std::uint64_t i = 0; i <= writer->opening() / kPackets; ++i) writer->fill(packets);
    const WrittenPackets before = writer->written();
    constexpr unsigned kFills = 200;
    constexpr double kEach = 1.0 / kFills / kPackets;
    Seen seen;
    std::uint32_t awaited = 0;
    for (unsigned i = 0; i < kFills; ++i) {
        writer->fill(packets);
        for (rte_mbuf* packet : packets) {
            const base::Bytes frame(rte_pktmbuf_mtod(packet, const std::uint8_t*), packet->data_len);
            const net::ParsedPacket parsed = net::parse(frame, frame.size(), net::LinkType::kEthernet);
            REQUIRE(parsed.malformed == net::Malformed::kNone);
            seen.tunnels[parsed.tunnel] += kEach;
            seen.tags[parsed.vlan_count] += kEach;
            if (awaited != 0 && (!parsed.is_fragment || parsed.fragment_id + 1 != awaited)) ++seen.torn;
            awaited = parsed.is_fragment && parsed.first_fragment ? parsed.fragment_id + 1 : 0;
            if (parsed.is_fragment) seen.fragments += kEach;
        }
    }
    // The writer says the same.
    const WrittenPackets& after = writer->written();
    CHECK(after.all - before.all == kFills * kPackets);
    CHECK(static_cast<double>(after.fragments - before.fragments) * kEach == Approx(seen.fragments));
    rte_pktmbuf_free_bulk(packets.data(), kPackets);
    return seen;
}

TEST_CASE("without shares nothing is wrapped or a fragment") {
    const Seen seen = see({});
    CHECK(seen.tunnels.size() == 1);
    CHECK(seen.tags.size() == 1);
    CHECK(seen.fragments == 0);
}

TEST_CASE("the shares of packets come out, whatever is beside them") {
    TrafficShares shares;
    shares.wrapped[static_cast<std::size_t>(Wrapping::kVxlan)] = 0.2;
    shares.wrapped[static_cast<std::size_t>(Wrapping::kGtpU)] = 0.1;
    shares.wrapped[static_cast<std::size_t>(Wrapping::kQinq)] = 0.3;
    for (const double fragments : {0.01, 0.1, 0.7}) {
        CAPTURE(fragments);
        shares.fragments = fragments;
        Seen seen = see(shares);
        CHECK(seen.fragments == Approx(fragments).epsilon(0.1));
        CHECK(seen.tunnels[net::Tunnel::kVxlan] == Approx(0.2).epsilon(0.1));
        CHECK(seen.tunnels[net::Tunnel::kGtpU] == Approx(0.1).epsilon(0.1));
        CHECK(seen.tags[2] == Approx(0.3).epsilon(0.1));
        CHECK(seen.torn == 0);
    }
}

TEST_CASE("more fragments than a flow can have are refused") {
    const double most = TrafficPlan::most_fragments(classes(), options());
    CHECK(most > 0.8);
    CHECK(most < 1);
    CHECK(TrafficPlan::create(classes(), options(), {.fragments = most}).ok());
    const auto plan = TrafficPlan::create(classes(), options(), {.fragments = 1});
    REQUIRE_FALSE(plan.ok());
    CHECK_THAT(plan.error().message, Catch::Contains("can be fragments at most"));
    const ClassPlan tcp{.selected = {}, .others = {flow_class(6, 4)}};
    CHECK(TrafficPlan::most_fragments(tcp, options()) == Approx(0.8));
    CHECK(TrafficPlan::most_fragments(tcp, options(2)) == 0);
}

}  // namespace
}  // namespace yagura::bench
