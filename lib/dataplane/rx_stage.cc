// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/rx_stage.h"

#include <rte_prefetch.h>

#include <algorithm>
#include <cstring>

#include "base/clock.h"
#include "base/hash.h"

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

/// What parsing reads and writes. The mbuf's own first line the driver has just written.
void prefetch(const rte_mbuf* packet) {
    const port::PacketMeta& m = port::meta(packet);
    rte_prefetch0(rte_pktmbuf_mtod(packet, const void*));
    rte_prefetch0(&m);
    rte_prefetch0(&m.parsed.key);
}

std::size_t output_of(const rte_mbuf* packet, std::size_t outputs) {
    return select_of(port::meta(packet).flow_hash, outputs);
}

}  // namespace

RxStage::RxStage(Options options)
    : options_(std::move(options)),
      hash_seed_(options_.hash_seed),
      fragments_(options_.fragments, options_.ports, options_.hash_seed),
      buffer_(std::make_unique<port::FrameBuffer>()),
      counters_(options_.ports),
      outgoing_(options_.outputs.size()) {}

bool RxStage::outputs_have_room() const {
    // The worst case: everything that waits and a whole burst go to one select lcore.
    const unsigned worst = options_.burst + fragments_.waiting_packets();
    return std::ranges::all_of(options_.outputs,
                               [worst](const PacketRing* ring) { return ring->room() >= worst; });
}

/// Fills in what rx has to say of each packet; of a fragment, as if it stood alone.
RxStage::Sum RxStage::parse(std::span<rte_mbuf* const> burst) {
    const net::LinkType link_type = options_.link_type;
    const net::HashSeed seed = hash_seed_;
    Sum sum{.port = port::meta(burst[0]).port};
    for (const rte_mbuf* packet : burst) prefetch(packet);
    for (rte_mbuf* packet : burst) {
        port::PacketMeta& m = port::meta(packet);
        sum.bytes += packet->pkt_len;
        sum.one_port &= m.port == sum.port;
        const base::Bytes frame = port::contiguous(packet, *buffer_);
        net::parse(frame, m.wire_length, link_type, m.parsed);
        sum.fragments |= m.parsed.is_fragment;
        if (m.parsed.has_flow()) [[likely]] {
            port::set_flow_hash(m, seed);
        } else {
            port::set_hash_without_flow(m, link_hash(frame, link_type, options_.hash_seed));
        }
    }
    return sum;
}

/// Tells flows apart by more than their keys.
void RxStage::set_domains(std::span<rte_mbuf* const> burst) {
    for (rte_mbuf* packet : burst) {
        port::PacketMeta& m = port::meta(packet);
        if (!m.parsed.has_flow()) continue;
        net::set_domain(m.parsed, options_.flow_identity);
        port::set_flow_hash(m, hash_seed_);
    }
}

void RxStage::count(PacketCounterOf which, std::span<rte_mbuf* const> packets, const Sum& sum) {
    if (sum.one_port) [[likely]] {
        (counters_[sum.port.index()].*which).add(packets.size(), sum.bytes);
        return;
    }
    for (const rte_mbuf* packet : packets)
        (counters_[port::meta(packet).port.index()].*which).add(1, packet->pkt_len);
}

/// Puts packets that are counted as handed on a ring.
void RxStage::put(std::size_t output, std::span<rte_mbuf* const> packets) {
    const std::size_t taken = options_.outputs[output]->put(packets);
    if (taken == packets.size()) [[likely]]
        return;
    const auto refused = packets.subspan(taken);
    count(&PortCounters::dropped, refused, {.port = {}, .one_port = false});
    rte_pktmbuf_free_bulk(const_cast<rte_mbuf**>(refused.data()), static_cast<unsigned>(refused.size()));
}

void RxStage::hand_over(std::size_t output) {
    Outgoing& out = outgoing_[output];
    if (out.count == 0) return;
    const std::span<rte_mbuf* const> packets(out.packets.data(), out.count);
    count(&PortCounters::handed, packets, {.port = {}, .one_port = false});
    put(output, packets);
    out.count = 0;
}

void RxStage::append(rte_mbuf* packet) {
    const std::size_t output = output_of(packet, options_.outputs.size());
    Outgoing& out = outgoing_[output];
    out.packets[out.count++] = packet;
    if (out.count == out.packets.size()) hand_over(output);
}

void RxStage::steer_ready() {
    while (rte_mbuf* packet = ready_.pop()) {
        port::set_flow_hash(port::meta(packet), hash_seed_);
        append(packet);
    }
}

/// With fragments in the burst, or some that have waited too long.
void RxStage::steer_past_fragments(std::span<rte_mbuf* const> burst) {
    for (rte_mbuf* packet : burst) {
        const port::PacketMeta& m = port::meta(packet);
        if (fragments_.waiting_packets() != 0) {
            fragments_.expire(m.order_time, ready_);
            steer_ready();
        }
        if (flow::FragmentTable::concerns(m.parsed)) {
            fragments_.take(packet, ready_);
            steer_ready();
        } else {
            append(packet);
        }
    }
}

void RxStage::steer(std::span<rte_mbuf* const> burst, const Sum& sum) {
    // The clock never goes back.
    const bool due =
        fragments_.waiting_packets() != 0 && fragments_.is_due(port::meta(burst.back()).order_time);
    if (sum.fragments || due) [[unlikely]] {
        steer_past_fragments(burst);
        return;
    }
    // Counted before select can see them, so that nobody counts them as taken first.
    count(&PortCounters::handed, burst, sum);
    if (options_.outputs.size() == 1) {
        put(0, burst);
        return;
    }
    Outgoing* const outgoing = outgoing_.data();
    const std::size_t outputs = outgoing_.size();
    for (rte_mbuf* packet : burst) {
        Outgoing& out = outgoing[output_of(packet, outputs)];
        out.packets[out.count++] = packet;
    }
    for (std::size_t output = 0; output < outgoing_.size(); ++output) {
        Outgoing& out = outgoing_[output];
        if (out.count != 0) put(output, {out.packets.data(), out.count});
        out.count = 0;
    }
}

/// What a device holds when polling ends came before that: it is received, up to kLastPolls bursts, for more
/// may come all the time. A source that can wait loses nothing.
bool RxStage::may_poll_once_more() {
    if (options_.queue->can_wait() || last_polls_ == 0) return false;
    --last_polls_;
    return true;
}

unsigned RxStage::turn() {
    if (done_.load(std::memory_order_relaxed)) return 0;
    const bool waits = options_.pressure == Pressure::kPushBack || options_.queue->can_wait();
    if (waits && !outputs_have_room()) return 0;

    std::array<rte_mbuf*, kMaxBurst> packets;
    const bool stopping = stopping_.load(std::memory_order_relaxed);
    const unsigned n =
        stopping && !may_poll_once_more() ? 0 : options_.queue->receive({packets.data(), options_.burst});
    if (stopping && n == 0) last_polls_ = 0;
    if (n != 0) {
        const std::span<rte_mbuf* const> burst(packets.data(), n);
        const Sum sum = parse(burst);
        count(&PortCounters::received, burst, sum);
        if (options_.flow_identity.any()) set_domains(burst);
        steer(burst, sum);
    } else if (stopping || options_.queue->exhausted()) {
        fragments_.flush(ready_);
        steer_ready();
    } else if (fragments_.waiting_packets() != 0 && options_.pressure == Pressure::kDrop) {
        fragments_.expire(base::realtime_ns(), ready_);
        steer_ready();
    }
    for (std::size_t output = 0; output < outgoing_.size(); ++output) hand_over(output);
    if (n == 0 && (stopping || options_.queue->exhausted())) done_.store(true, std::memory_order_release);
    return n;
}

}  // namespace yagura::dataplane
