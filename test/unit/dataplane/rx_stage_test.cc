// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/rx_stage.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <memory>
#include <string>
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

constexpr std::size_t kPorts = 3;

/// Gives what it has and cannot wait: what the stage does not take is lost.
class Impatient final : public port::RxQueue {
  public:
    explicit Impatient(loop::LoopSource& source) : source_(source) {}
    [[nodiscard]] std::uint16_t receive(std::span<rte_mbuf*> burst) override {
        return source_.receive(burst);
    }
    bool exhausted() const override { return source_.exhausted(); }

  private:
    loop::LoopSource& source_;
};

/// What comes out of an RxStage, by output, in its order. Frame n comes by port n % kPorts.
class Received {
  public:
    Received(const std::vector<Bytes>& frames, std::size_t outputs, unsigned burst, unsigned ring = 1024) {
        std::vector<loop::Frame> loop_frames;
        for (const Bytes& frame : frames) {
            const base::PortId port(static_cast<std::uint16_t>(loop_frames.size() % kPorts));
            loop_frames.push_back({.bytes = frame, .timestamp_ns = 0, .wire_length = 0, .port = port});
        }
        loop::LoopSource source(std::move(loop_frames), 1, pool_->get());
        Impatient queue(source);
        std::vector<dataplane::PacketRing*> to;
        for (std::size_t i = 0; i < outputs; ++i) {
            rings_.push_back(std::move(dataplane::PacketRing::create(ring).value()));
            to.push_back(rings_.back().get());
        }
        dataplane::RxStage stage({.queue = &queue,
                                  .link_type = net::LinkType::kEthernet,
                                  .outputs = to,
                                  .ports = kPorts,
                                  .burst = burst,
                                  .pressure = dataplane::Pressure::kDrop,
                                  .hash_seed = kSeed,
                                  .flow_identity = {},
                                  .fragments = {.datagrams = 64, .waiting = 64}});
        while (!stage.done()) stage.turn();
        for (const auto& from : rings_) {
            auto& packets = by_output.emplace_back(from->count());
            REQUIRE(from->take(packets) == packets.size());
        }
        for (std::uint16_t port = 0; port < kPorts; ++port) {
            const auto& of = stage.counters(base::PortId(port));
            counts.push_back({of.received.get(), of.handed.get(), of.dropped.get()});
        }
    }
    ~Received() {
        for (const auto& packets : by_output) {
            for (rte_mbuf* packet : packets) rte_pktmbuf_free(packet);
        }
        CHECK(pool_->whole());
    }

    struct Counts {
        base::Count received, handed, dropped;
        bool operator==(const Counts&) const = default;
    };
    std::vector<std::vector<rte_mbuf*>> by_output;
    std::vector<Counts> counts;  ///< by port

  private:
    static std::unique_ptr<port::PacketPool> make_pool() {
        static int made = 0;
        return std::move(port::PacketPool::create("rx_stage" + std::to_string(made++), 1023).value());
    }

    std::unique_ptr<port::PacketPool> pool_ = make_pool();
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

TEST_CASE(
    "packets are counted by their ports, and keep their order and their flow's lcore, whatever the burst") {
    std::vector<Bytes> frames = both_ways();
    for (std::uint16_t flow = 0; flow < 200; ++flow) {
        frames.push_back(PacketBuilder()
                             .ethernet()
                             .ipv4("10.0.0.1", "10.0.0.2")
                             .tcp(static_cast<std::uint16_t>(1000 + flow / 2), 80)
                             .payload(std::string(flow, 'y'))
                             .build());
    }
    const Received whole(frames, 1, 32);
    for (const std::size_t outputs : {1, 3}) {
        for (const unsigned burst : {1u, 7u, 64u}) {
            INFO(outputs << " outputs, bursts of " << burst);
            const Received received(frames, outputs, burst);
            CHECK(received.counts == whole.counts);
            std::size_t packets = 0;
            for (std::size_t output = 0; output < outputs; ++output) {
                packets += received.by_output[output].size();
                // Fragments that have waited go behind their first one; these have not.
                std::uint64_t last = 0;
                for (const rte_mbuf* packet : received.by_output[output]) {
                    const port::PacketMeta& m = port::meta(packet);
                    if (m.parsed.is_fragment) continue;
                    CHECK(m.order_record >= last);
                    last = m.order_record;
                    const std::uint64_t spread = static_cast<std::uint32_t>(m.flow_hash >> 16);
                    CHECK(spread * outputs >> 32 == output);
                }
                CHECK_FALSE(received.by_output[output].empty());
            }
            CHECK(packets == frames.size());
        }
    }
    for (const Received::Counts& counts : whole.counts) {
        CHECK(counts.received.packets > 0);
        CHECK(counts.received == counts.handed);
        CHECK(counts.dropped.packets == 0);
    }
}

TEST_CASE("what a ring to select does not take is freed, and counted by port") {
    const std::vector<Bytes> frames(
        100, PacketBuilder().ethernet().ipv4("10.0.0.1", "10.0.0.2").tcp(1, 2).build());
    for (const std::size_t outputs : {1, 2}) {
        const Received received(frames, outputs, 32, 40);
        base::Count dropped;
        for (const Received::Counts& counts : received.counts) {
            CHECK(counts.handed == counts.received);  // before the ring refused
            CHECK(counts.dropped.packets > 0);
            dropped += counts.dropped;
        }
        CHECK(dropped == base::Count{60, 60 * frames[0].size()});
    }
}

TEST_CASE(
    "when polling ends, what the device holds is taken, and no more than a bound of what goes on coming") {
    constexpr unsigned kBurst = 4;
    const bool endless = GENERATE(false, true);
    const auto pool = std::move(port::PacketPool::create("last", 4095).value());
    const std::vector<loop::Frame> frames(
        10, {.bytes = PacketBuilder().ethernet().ipv4("10.0.0.1", "10.0.0.2").udp(1, 2).build(),
             .timestamp_ns = 0,
             .wire_length = 0,
             .port = base::PortId(0)});
    loop::LoopSource source(frames, endless ? 1'000'000 : 1, pool->get());
    Impatient queue(source);
    const auto ring = std::move(dataplane::PacketRing::create(2048).value());
    dataplane::RxStage stage({.queue = &queue,
                              .link_type = net::LinkType::kEthernet,
                              .outputs = {ring.get()},
                              .ports = 1,
                              .burst = kBurst,
                              .pressure = dataplane::Pressure::kDrop,
                              .hash_seed = kSeed,
                              .flow_identity = {},
                              .fragments = {.datagrams = 64, .waiting = 64}});
    stage.turn();
    stage.stop_polling();
    unsigned turns = 0;
    for (; !stage.done(); ++turns) stage.turn();
    const std::uint64_t received = stage.counters(base::PortId(0)).received.get().packets;
    CHECK(ring->count() == received);
    CHECK(received == (endless ? kBurst + 128 * kBurst : frames.size()));
    CHECK(turns <= 129);
    std::vector<rte_mbuf*> packets(ring->count());
    REQUIRE(ring->take(packets) == packets.size());
    rte_pktmbuf_free_bulk(packets.data(), static_cast<unsigned>(packets.size()));
    CHECK(pool->whole());
}
