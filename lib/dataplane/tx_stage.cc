// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/tx_stage.h"

#include <algorithm>
#include <array>
#include <utility>

namespace yagura::dataplane {
namespace {

/// What a tool may get at once: what its rate brings in 2 ms, and a few large packets at least.
std::uint64_t burst_bytes(std::uint64_t rate) {
    constexpr std::uint64_t kLeast = 16 * 1024;
    return std::max(rate / 8 / 500, kLeast);
}

}  // namespace

TxStage::TxStage(std::vector<Tool> tools, unsigned burst, Ticks ticks)
    : tools_(std::move(tools)), ticks_(ticks), counters_(tools_.size()), burst_(burst) {
    for (const Tool& tool : tools_) {
        std::unique_ptr<Pace> pace;
        if (tool.limit != nullptr) {
            pace = std::make_unique<Pace>();
            const std::uint64_t rate = std::min(tool.limit->limit().rate, TokenBucket::kMaxRate);
            if (rate != 0) pace->bucket.emplace(rate, burst_bytes(rate), ticks_.per_second, ticks_.now());
        }
        paces_.push_back(std::move(pace));
    }
}

TxStage::~TxStage() {
    for (const auto& pace : paces_) {
        if (pace != nullptr && pace->count != 0)
            rte_pktmbuf_free_bulk(&pace->waiting[pace->first], pace->count);
    }
}

unsigned TxStage::turn() {
    unsigned handled = 0;
    for (std::size_t i = 0; i < tools_.size(); ++i)
        handled += paces_[i] == nullptr ? turn_of(i) : paced_turn_of(i, *paces_[i]);
    return handled;
}

unsigned TxStage::turn_of(std::size_t index) {
    unsigned taken = 0;
    std::array<rte_mbuf*, kMaxBurst> burst;
    for (PacketRing* input : tools_[index].inputs) {
        const unsigned n = input->take({burst.data(), burst_});
        if (n == 0) continue;
        if (const auto rest = send(index, {burst.data(), n}); !rest.empty())
            shed(index, rest, tools_[index].queue->refusal());
        taken += n;
    }
    if (taken == 0) tools_[index].queue->flush();
    return taken;
}

/// Sends what the tokens allow, a burst of each input at most.
unsigned TxStage::paced_turn_of(std::size_t index, Pace& pace) {
    const std::uint64_t now = ticks_.now();
    if (pace.bucket) pace.bucket->refill(now);
    const bool late = is_late(now);
    unsigned handled = 0;
    for (std::size_t bursts = 0; bursts < tools_[index].inputs.size() && refill(index, pace); ++bursts) {
        handled += send_paced(index, pace, late);
        if (late) {
            shed(index, {&pace.waiting[pace.first], pace.count}, port::ShedReason::kRate);
            handled += std::exchange(pace.count, 0);
        }
        if (pace.count != 0) break;
    }
    if (handled == 0) tools_[index].queue->flush();
    return handled;
}

/// What the device refuses because it is full may wait; what it refuses for another reason, may not.
bool TxStage::keeps(std::size_t index, bool late) const {
    return !late && tools_[index].queue->refusal() == port::ShedReason::kToolFull;
}

/// Sends what the tokens allow of what waits. Returns the packets that have left.
unsigned TxStage::send_paced(std::size_t index, Pace& pace, bool late) {
    const std::span<rte_mbuf*> waiting(&pace.waiting[pace.first], pace.count);
    unsigned n = 0;
    while (n < waiting.size() && (!pace.bucket || pace.bucket->take(rte_pktmbuf_pkt_len(waiting[n])))) ++n;
    if (n == 0) return 0;
    auto rest = send(index, waiting.first(n));
    if (!rest.empty() && keeps(index, late)) {
        // To the end of what was tried, in front of what was not.
        std::ranges::copy_backward(rest, waiting.begin() + n);
        rest = waiting.subspan(n - rest.size(), rest.size());
        for (const rte_mbuf* packet : rest) {
            if (pace.bucket) pace.bucket->give_back(rte_pktmbuf_pkt_len(packet));
        }
        n -= static_cast<unsigned>(rest.size());
    } else if (!rest.empty()) {
        shed(index, rest, tools_[index].queue->refusal());
    }
    pace.first += n;
    pace.count -= n;
    return n;
}

/// Takes the next burst when the last has gone, from the inputs in turn. False when there is none.
bool TxStage::refill(std::size_t index, Pace& pace) {
    const std::vector<PacketRing*>& inputs = tools_[index].inputs;
    for (std::size_t tries = 0; pace.count == 0 && tries < inputs.size(); ++tries) {
        pace.input = (pace.input + 1) % inputs.size();
        pace.first = 0;
        pace.count = inputs[pace.input]->take({pace.waiting.data(), burst_});
    }
    return pace.count != 0;
}

bool TxStage::is_late(std::uint64_t now) {
    if (!hurry_.load(std::memory_order_relaxed)) return false;
    if (last_tick_ == 0) last_tick_ = now + kLastSeconds * ticks_.per_second;
    return now >= last_tick_;
}

/// Frees and counts what the queue cannot send; the rest moves to the front.
base::Count TxStage::shed_too_large(std::size_t index, std::span<rte_mbuf*> burst, std::uint32_t largest) {
    const port::TxQueue& queue = *tools_[index].queue;
    base::Count shed;
    std::size_t kept = 0;
    for (rte_mbuf* packet : burst) {
        if (rte_pktmbuf_pkt_len(packet) > largest && queue.too_large(packet)) {
            shed += {1, rte_pktmbuf_pkt_len(packet)};
            rte_pktmbuf_free(packet);
        } else {
            burst[kept++] = packet;
        }
    }
    counters_[index].shed[static_cast<std::size_t>(port::ShedReason::kTooLarge)].add(shed.packets,
                                                                                     shed.bytes);
    if (ToolQueue* limit = tools_[index].limit) limit->gone(shed.packets, shed.bytes);
    return shed;
}

/// Returns what the queue did not take: it stays the caller's, in its order.
std::span<rte_mbuf*> TxStage::send(std::size_t index, std::span<rte_mbuf*> burst) {
    // A queue may free what it sends at once: sizes are read before. What it does not take stays ours.
    const std::uint32_t largest = tools_[index].queue->largest_frame();
    std::uint64_t bytes = 0;
    bool large = false;
    for (const rte_mbuf* packet : burst) {
        bytes += rte_pktmbuf_pkt_len(packet);
        large |= rte_pktmbuf_pkt_len(packet) > largest;
    }
    if (large) [[unlikely]] {
        const auto shed = shed_too_large(index, burst, largest);
        bytes -= shed.bytes;
        burst = burst.first(burst.size() - shed.packets);
        if (burst.empty()) return {};
    }
    const unsigned sent = tools_[index].queue->send(burst);
    const auto rest = burst.subspan(sent);
    for (const rte_mbuf* packet : rest) bytes -= rte_pktmbuf_pkt_len(packet);
    counters_[index].sent.add(sent, bytes);
    if (ToolQueue* limit = tools_[index].limit) limit->gone(sent, bytes);
    return rest;
}

void TxStage::shed(std::size_t index, std::span<rte_mbuf* const> packets, port::ShedReason reason) {
    if (packets.empty()) return;
    std::uint64_t bytes = 0;
    for (const rte_mbuf* packet : packets) bytes += rte_pktmbuf_pkt_len(packet);
    const auto count = static_cast<unsigned>(packets.size());
    counters_[index].shed[static_cast<std::size_t>(reason)].add(count, bytes);
    if (ToolQueue* limit = tools_[index].limit) limit->gone(count, bytes);
    rte_pktmbuf_free_bulk(const_cast<rte_mbuf**>(packets.data()), count);
}

}  // namespace yagura::dataplane
