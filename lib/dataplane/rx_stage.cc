// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/rx_stage.h"

#include <rte_prefetch.h>

#include <algorithm>
#include <cstring>

#include "base/clock.h"
#include "base/hash.h"
#include "port/packet.h"

namespace yagura::dataplane {
namespace {

/// For packets that belong to no flow: the two stations of an Ethernet frame, so that a flood of them is
/// spread.
std::uint64_t link_hash(base::Bytes frame, net::LinkType link_type, std::uint64_t seed) {
    if (link_type != net::LinkType::kEthernet || frame.size() < 12) return 0;
    std::uint64_t a = 0;
    std::uint64_t b = 0;
    std::memcpy(&a, frame.data(), 6);
    std::memcpy(&b, frame.data() + 6, 6);
    return base::mix((a + b) ^ base::kHashA, (a ^ b) ^ base::kHashB ^ seed);
}

}  // namespace

RxStage::RxStage(Options options)
    : options_(std::move(options)),
      fragments_(options_.fragments, options_.ports),
      buffer_(std::make_unique<port::FrameBuffer>()),
      counters_(options_.ports),
      outgoing_(options_.outputs.size()) {}

bool RxStage::outputs_have_room() const {
    // The worst case: everything that waits and a whole burst go to one select lcore.
    const unsigned worst = options_.burst + fragments_.waiting_packets();
    return std::ranges::all_of(options_.outputs,
                               [worst](const PacketRing* ring) { return ring->room() >= worst; });
}

void RxStage::hand_over(std::size_t output) {
    Outgoing& out = outgoing_[output];
    if (out.count == 0) return;
    // Counted before select can see them, so that nobody counts them as taken first.
    for (unsigned i = 0; i < out.count; ++i) {
        counters_[port::meta(out.packets[i]).port.index()].handed.add(1, out.packets[i]->pkt_len);
    }
    const unsigned taken = options_.outputs[output]->put({out.packets.data(), out.count});
    for (unsigned i = taken; i < out.count; ++i) {
        PortCounters& counters = counters_[port::meta(out.packets[i]).port.index()];
        counters.dropped.add(1, out.packets[i]->pkt_len);
    }
    if (taken < out.count) rte_pktmbuf_free_bulk(out.packets.data() + taken, out.count - taken);
    out.count = 0;
}

void RxStage::steer(rte_mbuf* packet, base::Bytes frame) {
    port::PacketMeta& m = port::meta(packet);
    if (m.parsed.has_flow()) [[likely]] {
        port::set_flow_hash(m, options_.hash_seed);
    } else {
        port::set_hash_without_flow(m, link_hash(frame, options_.link_type, options_.hash_seed));
    }
    // The middle bits: the flow table uses the low ones for its buckets and the high ones for its tags.
    const std::uint64_t spread = static_cast<std::uint32_t>(m.flow_hash >> 16);
    const std::size_t output = spread * options_.outputs.size() >> 32;
    Outgoing& out = outgoing_[output];
    out.packets[out.count++] = packet;
    if (out.count == out.packets.size()) hand_over(output);
}

void RxStage::steer_ready() {
    while (rte_mbuf* packet = ready_.pop()) steer(packet, {});
}

unsigned RxStage::turn() {
    if (done_.load(std::memory_order_relaxed)) return 0;
    const bool waits = options_.pressure == Pressure::kPushBack || options_.queue->can_wait();
    if (waits && !outputs_have_room()) return 0;

    std::array<rte_mbuf*, kMaxBurst> burst;
    const bool stopping = stopping_.load(std::memory_order_relaxed);
    const unsigned n = stopping ? 0 : options_.queue->receive({burst.data(), options_.burst});
    for (unsigned i = 0; i < n; ++i) rte_prefetch0(rte_pktmbuf_mtod(burst[i], const void*));
    for (unsigned i = 0; i < n; ++i) {
        rte_mbuf* packet = burst[i];
        port::PacketMeta& m = port::meta(packet);
        counters_[m.port.index()].received.add(1, packet->pkt_len);
        const base::Bytes frame = port::contiguous(packet, *buffer_);
        m.parsed = net::parse(frame, m.wire_length, options_.link_type);
        if (options_.flow_identity.any() && m.parsed.has_flow()) [[unlikely]] {
            net::set_domain(m.parsed, options_.flow_identity);
        }
        if (fragments_.waiting_packets() != 0) {
            fragments_.expire(m.order_time, ready_);
            steer_ready();
        }
        if (flow::FragmentTable::concerns(m.parsed)) [[unlikely]] {
            fragments_.take(packet, ready_);
            steer_ready();
        } else {
            steer(packet, frame);
        }
    }
    if (n == 0) {
        if (stopping || options_.queue->exhausted()) {
            fragments_.flush(ready_);
            steer_ready();
        } else if (fragments_.waiting_packets() != 0 && options_.pressure == Pressure::kDrop) {
            fragments_.expire(base::realtime_ns(), ready_);
            steer_ready();
        }
    }
    for (std::size_t output = 0; output < outgoing_.size(); ++output) hand_over(output);
    if (n == 0 && (stopping || options_.queue->exhausted())) done_.store(true, std::memory_order_release);
    return n;
}

}  // namespace yagura::dataplane
