// SPDX-License-Identifier: BSD-3-Clause
#include "app/bench/memory_source.h"

#include <rte_cycles.h>
#include <rte_mbuf.h>
#include <rte_prefetch.h>

#include <algorithm>
#include <array>

#include "base/clock.h"
#include "base/hash.h"
#include "port/packet.h"

namespace yagura::bench {
namespace {

constexpr std::uint64_t kLapNs = 2 * 3'600'000'000'000;  // beyond every default time-out of a flow
constexpr FlowPlace kMadePlace{
    .ip = 14, .transport = 14 + 20, .ip_version = 4, .proto = 6};  // Ethernet, IPv4, TCP

void prefetch(std::span<rte_mbuf* const> burst) {
    for (const rte_mbuf* packet : burst) rte_prefetch0(rte_pktmbuf_mtod(packet, const void*));
}

}  // namespace

void MemorySource::stamp(std::span<rte_mbuf* const> burst, std::uint64_t ahead_ns) {
    const std::uint64_t now = base::realtime_ns() + ahead_ns;
    for (rte_mbuf* packet : burst) {
        port::PacketMeta& m = port::meta(packet);
        m.timestamp_ns = m.order_time = now;
        m.order_record = record_++;
    }
}

std::uint16_t RepeatingSource::receive(std::span<rte_mbuf*> burst) {
    const unsigned n = store_.take(burst);
    if (n != 0) stamp(burst.first(n), 0);
    return static_cast<std::uint16_t>(n);
}

net::FlowKey ManyFlowsSource::next_flow() {
    const std::uint64_t lap = number_ / options_.flows;
    std::uint64_t flow = number_ % options_.flows;
    bool answer = lap % 2 != 0;
    if (options_.fresh) {
        flow += lap / kPacketsOfFlow * options_.flows;
    } else if (lap != 0) {
        random_ += base::kHashA;
        const std::uint64_t random = base::mix(random_, base::kHashB);
        flow = (random >> 32) * options_.flows >> 32;
        answer = random % 2 != 0;
    }
    ++number_;
    const net::FlowKey key = made_flow(flow, is_chosen(flow, options_.chosen));
    return answer ? key.reversed() : key;
}

std::uint16_t ManyFlowsSource::receive(std::span<rte_mbuf*> burst) {
    const unsigned n = store_.take(burst);
    if (n == 0) return 0;
    const std::uint64_t start = rte_rdtsc();
    const std::uint64_t lap = number_ / (options_.flows * kPacketsOfFlow);
    laps_.add(lap - laps_.get());
    prefetch(burst.first(n));
    for (unsigned i = 0; i < n; ++i) {
        write_flow(rte_pktmbuf_mtod(burst[i], std::uint8_t*), kMadePlace, next_flow());
    }
    writing_cycles_.add(rte_rdtsc() - start);
    stamp(burst.first(n), options_.fresh ? lap * kLapNs : 0);
    return static_cast<std::uint16_t>(n);
}

TapeSource::TapeSource(PacketStore& store, const RawFrames& raw) : store_(store), next_(raw.frames.size()) {
    for (const RawFrame& frame : raw.frames) {
        const net::ParsedPacket parsed = net::parse(frame.bytes, frame.wire_length, raw.link_type);
        // What is malformed stays as it is.
        const bool sound = parsed.malformed == net::Malformed::kNone;
        tape_.push_back({.place = sound ? place_of_flow(frame.bytes, parsed) : std::nullopt,
                         .key = parsed.key,
                         .payload_bytes = parsed.has_flow() ? parsed.payload_size : 0});
    }
}

/// All packets are taken out of the store, to be handed out in the order of the tape.
bool TapeSource::begin_lap() {
    if (!store_.whole()) return false;
    std::array<rte_mbuf*, 64> burst;
    for (std::size_t left = tape_.size(); left != 0;) {
        left -= store_.take({burst.data(), std::min(left, burst.size())});
    }
    laps_.add(1);
    next_ = 0;
    return true;
}

void TapeSource::close() {
    for (; next_ < tape_.size(); ++next_) rte_pktmbuf_free(store_.packets()[next_]);
}

std::uint16_t TapeSource::receive(std::span<rte_mbuf*> burst) {
    const std::uint64_t start = rte_rdtsc();
    if (next_ == tape_.size() && !begin_lap()) return 0;
    const std::size_t n = std::min(burst.size(), tape_.size() - next_);
    std::copy_n(store_.packets().begin() + static_cast<std::ptrdiff_t>(next_), n, burst.begin());
    prefetch(burst.first(n));
    const std::uint64_t lap = laps_.get() - 1;
    std::uint64_t payload_bytes = 0;
    for (std::size_t i = 0; i < n; ++i) {
        const Packet& packet = tape_[next_ + i];
        payload_bytes += packet.payload_bytes;
        if (!packet.place) continue;
        write_flow(rte_pktmbuf_mtod(burst[i], std::uint8_t*), *packet.place, flow_in_lap(packet.key, lap));
    }
    next_ += n;
    payload_bytes_.add(payload_bytes);
    writing_cycles_.add(rte_rdtsc() - start);
    stamp(burst.first(n), lap * kLapNs);
    return static_cast<std::uint16_t>(n);
}

}  // namespace yagura::bench
