// SPDX-License-Identifier: BSD-3-Clause
#include "app/bench/card/packet_writer.h"

#include <rte_mbuf.h>

#include <algorithm>
#include <cassert>
#include <chrono>
#include <cstring>
#include <unordered_map>

#include "app/bench/driver_part.h"

namespace yagura::bench {
namespace {

constexpr std::uint64_t kNow = 1'700'000'000'000'000'000;

/// What a driver does.
void describe(rte_mbuf* packet, std::uint32_t size, std::uint32_t wire_length, std::uint64_t now) {
    assert(rte_mbuf_refcnt_read(packet) == 1 && packet->nb_segs == 1);
    packet->data_len = static_cast<std::uint16_t>(size);
    packet->pkt_len = size;
    fill_driver_part(packet, wire_length, now);
}

class MadePackets final : public PacketWriter {
  public:
    MadePackets(std::shared_ptr<const TrafficPlan> plan, std::uint32_t flows, bool ends)
        : plan_(std::move(plan)), ends_(ends), slots_(flows) {
        for (std::uint32_t s = 0; s < flows; ++s) slots_[s].target = ends ? target_of(s) : 1;
    }

    void fill(std::span<rte_mbuf* const> packets) override {
        for (rte_mbuf* packet : packets) {
            const std::uint32_t size = opened_ < slots_.size() ? open(packet) : speak(packet);
            describe(packet, size, size, now_);
        }
        written_.all += packets.size();
    }
    /// Flow by flow, each to where it stands when all speak in turn. The clock stands still.
    std::uint64_t opening() const override {
        std::uint64_t sum = 0;
        for (const Slot& slot : slots_) sum += slot.target;
        return sum;
    }
    double fresh() const override { return ends_ ? 1.0 / plan_->packets_per_flow() : 0; }

  private:
    struct Slot {
        std::uint32_t target = 0;      ///< of the opening
        std::uint32_t next = 0;        ///< packet of the flow
        std::uint32_t generation = 0;  ///< flows before it
    };
    /// Packets of the opening; no datagram is left in the middle.
    std::uint32_t target_of(std::uint32_t slot) const {
        const std::uint32_t target = slot % plan_->packets_per_flow();
        return target != 0 && plan_->script_of(slot).is_followed(target - 1) ? target - 1 : target;
    }
    std::uint32_t say(rte_mbuf* packet, std::size_t at) {
        Slot& slot = slots_[at];
        const std::uint64_t flow = std::uint64_t{slot.generation} * slots_.size() + at;
        const FlowScript& script = plan_->script_of(flow);
        auto* const to = rte_pktmbuf_mtod(packet, std::uint8_t*);
        const std::uint32_t k = slot.next++;
        if (script.wrapping() != Wrapping::kNone)
            ++written_.wrapped[static_cast<std::size_t>(script.wrapping())];
        followed_ = ends_ && script.is_followed(k);
        if (!ends_) return script.write_middle(to, flow, k);
        written_.fragments += script.is_fragment(k) ? 1 : 0;
        if (slot.next == script.packets()) {
            slot.next = 0;
            ++slot.generation;
        }
        return script.write(to, flow, k);
    }
    std::uint32_t open(rte_mbuf* packet) {
        while (opened_ < slots_.size() && slots_[opened_].next >= slots_[opened_].target) ++opened_;
        return opened_ < slots_.size() ? say(packet, opened_) : speak(packet);
    }
    std::uint32_t speak(rte_mbuf* packet) {
        const std::uint32_t size = say(packet, at_);
        // The fragments of a datagram come one after the other.
        if (!followed_ && ++at_ == slots_.size()) at_ = 0;
        now_ += plan_->lap_ns() / slots_.size();
        return size;
    }

    std::shared_ptr<const TrafficPlan> plan_;
    bool ends_;
    std::vector<Slot> slots_;
    std::size_t opened_ = 0;
    std::size_t at_ = 0;
    bool followed_ = false;  ///< what was said last is half a datagram
    std::uint64_t now_ = kNow;
};

class CapturedPackets final : public PacketWriter {
  public:
    CapturedPackets(std::shared_ptr<const CapturePlan> plan, bool ends)
        : plan_(std::move(plan)), ends_(ends) {}

    void fill(std::span<rte_mbuf* const> packets) override {
        for (rte_mbuf* packet : packets) {
            const FlowFrame& frame = plan_->frames[at_];
            auto* const to = rte_pktmbuf_mtod(packet, std::uint8_t*);
            std::memcpy(to, frame.bytes.data(), frame.bytes.size());
            if (ends_ && lap_ != 0 && frame.place) write_flow(to, *frame.place, key_of(plan_->keys[at_]));
            describe(packet, static_cast<std::uint32_t>(frame.bytes.size()), plan_->wire_lengths[at_],
                     kNow + (ends_ ? lap_ * plan_->lap_ns : 0) + at_);
            if (++at_ < plan_->frames.size()) continue;
            at_ = 0;
            ++lap_;
        }
        written_.all += packets.size();
    }
    std::uint64_t opening() const override { return plan_->frames.size(); }
    double fresh() const override {
        return ends_ ? static_cast<double>(plan_->flows) / static_cast<double>(plan_->frames.size()) : 0;
    }

  private:
    /// Who has the higher port, or address, is the client.
    net::FlowKey key_of(net::FlowKey key) const {
        const bool src = std::tie(key.sport, key.src) > std::tie(key.dport, key.dst);
        net::IpAddress& client = src ? key.src : key.dst;
        const std::size_t last = key.ip_version == 4 ? 3 : 15;
        client[last] = static_cast<std::uint8_t>(client[last] ^ lap_);
        client[last - 1] = static_cast<std::uint8_t>(client[last - 1] ^ lap_ >> 8);
        return key;
    }

    std::shared_ptr<const CapturePlan> plan_;
    bool ends_;
    std::size_t at_ = 0;
    std::uint64_t lap_ = 0;
};

struct KeyHash {
    std::size_t operator()(const net::FlowKey& key) const { return key.symmetric_hash(0); }
};

}  // namespace

std::unique_ptr<PacketWriter> make_writer(std::shared_ptr<const TrafficPlan> plan, std::uint32_t flows,
                                          bool ends) {
    return std::make_unique<MadePackets>(std::move(plan), flows, ends);
}

base::Result<std::shared_ptr<const CapturePlan>> CapturePlan::create(const RawFrames& raw,
                                                                     const rules::FlowTimeouts& timeouts) {
    if (raw.link_type != net::LinkType::kEthernet) return base::Error{raw.name + ": it is not of Ethernet"};
    auto plan = std::make_shared<CapturePlan>();
    std::unordered_map<net::FlowKey, bool, KeyHash> known;
    for (const RawFrame& frame : raw.frames) {
        if (frame.bytes.size() > FlowScript::kLargest) {
            ++plan->left_out_large;
            continue;
        }
        const net::ParsedPacket parsed = net::parse(frame.bytes, frame.wire_length, raw.link_type);
        if (parsed.is_fragment) {
            ++plan->left_out_fragments;
            continue;
        }
        plan->frames.push_back(FlowFrame::of(frame.bytes));
        plan->keys.push_back(parsed.key);
        plan->wire_lengths.push_back(frame.wire_length);
        if (parsed.has_flow()) known[parsed.key.canonical()] = true;
    }
    if (plan->frames.empty()) return base::Error{raw.name + ": there is no frame in it that fits one buffer"};
    plan->flows = static_cast<std::uint32_t>(known.size());
    const auto longest =
        std::max({timeouts.tcp_opening, timeouts.tcp, timeouts.tcp_closed, timeouts.udp, timeouts.other});
    plan->lap_ns = 2 * static_cast<std::uint64_t>(longest.count()) + 60'000'000'000;
    return std::shared_ptr<const CapturePlan>(std::move(plan));
}

std::unique_ptr<PacketWriter> make_writer(std::shared_ptr<const CapturePlan> plan, bool ends) {
    return std::make_unique<CapturedPackets>(std::move(plan), ends);
}

}  // namespace yagura::bench
