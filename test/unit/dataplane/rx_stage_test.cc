// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/rx_stage.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <memory>
#include <vector>

#include "drivers/loop/loop.h"
#include "net/packet_builder.h"
#include "port/packet.h"
#include "port/packet_pool.h"

using namespace yagura;
using net::PacketBuilder;
using Bytes = std::vector<std::uint8_t>;

namespace {

constexpr std::uint64_t kSeed = 7;

/// What comes out of an RxStage, by output, in its order.
class Received {
  public:
    Received(const std::vector<Bytes>& frames, std::size_t outputs, unsigned burst) {
        std::vector<loop::Frame> loop_frames;
        for (const Bytes& frame : frames) {
            loop_frames.push_back({.bytes = frame, .timestamp_ns = 0, .wire_length = 0, .port = {}});
        }
        loop::LoopSource source(std::move(loop_frames), 1, pool_->get());
        std::vector<dataplane::PacketRing*> rings;
        for (std::size_t i = 0; i < outputs; ++i) {
            rings_.push_back(std::move(dataplane::PacketRing::create(1024).value()));
            rings.push_back(rings_.back().get());
        }
        dataplane::RxStage stage({.queue = &source,
                                  .link_type = net::LinkType::kEthernet,
                                  .outputs = rings,
                                  .ports = 1,
                                  .burst = burst,
                                  .pressure = dataplane::Pressure::kDrop,
                                  .hash_seed = kSeed,
                                  .flow_identity = {},
                                  .fragments = {.datagrams = 64, .waiting = 64}});
        while (!stage.done()) stage.turn();
        by_output.resize(outputs);
        for (std::size_t i = 0; i < outputs; ++i) {
            by_output[i].resize(rings_[i]->count());
            REQUIRE(rings_[i]->take(by_output[i]) == by_output[i].size());
        }
        counters = stage.counters({}).handed.get();
    }
    ~Received() {
        for (const auto& packets : by_output) {
            for (rte_mbuf* packet : packets) rte_pktmbuf_free(packet);
        }
    }

    std::vector<std::vector<rte_mbuf*>> by_output;
    base::Count counters;

  private:
    std::unique_ptr<port::PacketPool> pool_ = std::move(port::PacketPool::create("rx_stage", 1023).value());
    std::vector<std::unique_ptr<dataplane::PacketRing>> rings_;
};

Bytes udp_fragment(bool back, std::uint16_t id, std::uint16_t offset) {
    PacketBuilder b;
    b.ethernet().ipv4(back ? "10.0.0.2" : "10.0.0.1", back ? "10.0.0.1" : "10.0.0.2");
    b.fragment(offset, offset == 0, id);
    if (offset == 0) {
        b.udp(back ? 53 : 4000, back ? 4000 : 53);
    } else {
        b.next(17);
    }
    return b.payload("12345678").build();
}

/// Both directions of flows, with later fragments before and behind their first one.
std::vector<Bytes> both_ways() {
    std::vector<Bytes> frames;
    for (const bool back : {false, true}) {
        const char* const client = back ? "10.0.0.2" : "10.0.0.1";
        const char* const server = back ? "10.0.0.1" : "10.0.0.2";
        const char* const client6 = back ? "2001:db8::2" : "2001:db8::1";
        const char* const server6 = back ? "2001:db8::1" : "2001:db8::2";
        const std::uint16_t sport = back ? 80 : 40000;
        const std::uint16_t dport = back ? 40000 : 80;
        frames.push_back(PacketBuilder().ethernet().ipv4(client, server).tcp(sport, dport).build());
        frames.push_back(PacketBuilder().ethernet().ipv4(client, server).udp(sport, dport).build());
        frames.push_back(PacketBuilder().ethernet().vlan(5).ipv6(client6, server6).tcp(sport, dport).build());
        frames.push_back(PacketBuilder().ethernet().ipv4(client, client).tcp(sport, dport).build());
        frames.push_back(udp_fragment(back, 1, 0));
        frames.push_back(udp_fragment(back, 1, 16));
        frames.push_back(udp_fragment(back, 2, 16));
        frames.push_back(udp_fragment(back, 2, 0));
        frames.push_back(udp_fragment(back, 3, 16));  // its first one never comes
    }
    return frames;
}

}  // namespace

TEST_CASE("rx says of each packet whether its key goes against the canonical direction") {
    std::vector<Bytes> frames = both_ways();
    const Bytes arp = PacketBuilder().ethernet().arp().build();
    frames.push_back(arp);
    const std::size_t flow_packets = frames.size() - 1;
    const Received received(frames, 1, 32);
    const auto& packets = received.by_output[0];
    REQUIRE(packets.size() == frames.size());
    std::size_t reversed = 0;
    std::size_t fragments_with_ports = 0;
    for (const rte_mbuf* packet : packets) {
        const port::PacketMeta& m = port::meta(packet);
        if (!m.parsed.has_flow()) {
            CHECK_FALSE(m.reversed);
            continue;
        }
        CHECK(m.reversed == !m.parsed.key.is_canonical());
        CHECK(m.flow_hash == m.parsed.key.symmetric_hash(kSeed));
        reversed += m.reversed ? 1 : 0;
        fragments_with_ports += m.parsed.is_fragment && m.parsed.key.sport != 0 ? 1 : 0;
    }
    CHECK(fragments_with_ports == 8);
    CHECK(reversed == flow_packets / 2);
}
