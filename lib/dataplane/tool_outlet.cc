// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/tool_outlet.h"

#include <algorithm>
#include <bit>
#include <cassert>

#include "port/packet.h"
#include "port/packet_pool.h"

namespace yagura::dataplane {
namespace {

/// The stage goes on with no further packet while something waits: it is one packet, and the flows that were
/// decided or let go for it.
constexpr std::size_t kQueue = 64;

template <class Visit>
void for_each_tool(std::uint64_t tools, Visit visit) {
    for (; tools != 0; tools &= tools - 1) visit(static_cast<std::size_t>(std::countr_zero(tools)));
}

}  // namespace

ToolOutlet::ToolOutlet(Options options, flow::BlockStore& store, std::span<SelectPortCounters> ports)
    : options_(std::move(options)),
      store_(store),
      ports_(ports),
      counters_(options_.tools.size()),
      outgoing_(options_.tools.size()),
      queue_(kQueue) {
    options_.limits.resize(options_.tools.size());
}

ToolOutlet::~ToolOutlet() {
    for (; count_ != 0; --count_, first_ = (first_ + 1) % queue_.size()) {
        if (queue_[first_].packet != nullptr) rte_pktmbuf_free(queue_[first_].packet);
    }
}

bool ToolOutlet::has_room() {
    if (waits()) return false;
    for (const PacketRing* ring : options_.tools) {
        if (ring != nullptr && ring->room() < options_.burst) return false;
    }
    released_ = false;
    return true;
}

bool ToolOutlet::rings_take(std::uint64_t tools) const {
    bool room = true;
    for_each_tool(tools, [&](std::size_t tool) {
        room = room && options_.tools[tool]->room() > outgoing_[tool].count;
    });
    return room;
}

void ToolOutlet::push(const Waiting& waiting) {
    if (count_ == queue_.size()) {
        // In replay only, and when a policy ends with its inspections.
        std::rotate(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(first_), queue_.end());
        first_ = 0;
        queue_.resize(2 * queue_.size());
    }
    queue_[(first_ + count_) % queue_.size()] = waiting;
    ++count_;
    waits_.add(1);
}

/// Behind what waits, and only if there is room: releases may have used up that of the burst.
void ToolOutlet::offer_in_turn(rte_mbuf* packet, std::uint64_t tools) {
    if (count_ != 0 || !rings_take(tools)) {
        push({.packet = packet, .tools = tools, .chain = {}, .last = false});
    } else {
        put(packet, tools);
    }
}

void ToolOutlet::put(std::span<rte_mbuf* const> packets, std::uint64_t bytes, std::uint64_t tools) {
    const auto more = static_cast<std::int16_t>(std::popcount(tools) - 1);
    if (more != 0) {
        for (rte_mbuf* packet : packets) rte_pktmbuf_refcnt_update(packet, more);
    }
    for_each_tool(tools, [&](std::size_t tool) {
        Outgoing& out = outgoing_[tool];
        if (out.count + packets.size() > out.packets.size()) [[unlikely]]
            flush(tool);
        std::ranges::copy(packets, out.packets.begin() + out.count);
        out.count += static_cast<unsigned>(packets.size());
        out.bytes += bytes;
    });
    to_flush_ |= tools;
}

void ToolOutlet::flush() {
    for_each_tool(to_flush_, [this](std::size_t tool) { flush(tool); });
    to_flush_ = 0;
}

void ToolOutlet::flush(std::size_t tool) {
    Outgoing& out = outgoing_[tool];
    if (out.count == 0) return;
    // Counted before tx can see them: offered is never less than sent.
    counters_[tool].offered.add(out.count, out.bytes);
    const unsigned taken = options_.tools[tool]->put({out.packets.data(), out.count});
    if (taken < out.count) {
        std::uint64_t shed = 0;
        for (unsigned i = taken; i < out.count; ++i) shed += rte_pktmbuf_pkt_len(out.packets[i]);
        counters_[tool].shed.add(out.count - taken, shed);
        rte_pktmbuf_free_bulk(out.packets.data() + taken, out.count - taken);
        out.bytes -= shed;
    }
    if (ToolQueue* limit = options_.limits[tool]) [[unlikely]]
        limit->put(options_.lane, taken, out.bytes);
    out.count = 0;
    out.bytes = 0;
}

void ToolOutlet::release(flow::BlockStore::Chain chain, bool last) {
    push({.packet = nullptr, .tools = 0, .chain = chain, .last = last});
    if (count_ == 1) drain();
}

unsigned ToolOutlet::drain() {
    unsigned offered = 0;
    while (count_ != 0 && advance(offered)) {
        // Who sees that nothing waits any more shall find it offered.
        if (count_ == 1) flush();
        first_ = (first_ + 1) % queue_.size();
        --count_;
        done_.add(1);
    }
    return offered;
}

/// Deals with the first of the queue. False when it has to wait on.
bool ToolOutlet::advance(unsigned& offered) {
    Waiting& next = queue_[first_];
    released_ = true;
    if (next.packet == nullptr) return release_some(offered);
    if (!rings_take(next.tools)) {
        flush();
        if (!rings_take(next.tools)) return false;
    }
    put(next.packet, next.tools);
    ++offered;
    return true;
}

bool ToolOutlet::release_some(unsigned& offered) {
    Waiting& next = queue_[first_];
    if (!cursor_) cursor_.emplace(store_, next.chain);
    for (;;) {
        flow::BlockStore::Cursor at = *cursor_;
        flow::HeldPacket held;
        if (!at.read(&held, sizeof held)) break;
        if (held.pending == 0) {
            at.skip(held.size);
            *cursor_ = at;
            continue;
        }
        if (options_.pressure == Pressure::kPushBack && !rings_take(held.pending)) {
            flush();
            if (!rings_take(held.pending)) return false;
        }
        flow::BlockStore::Cursor frame = at;
        rte_mbuf* packet = revive(held, frame);
        if (packet == nullptr && options_.pressure == Pressure::kPushBack) {
            // Tx will give buffers back: it depends on nobody.
            flush();
            return false;
        }
        const std::uint64_t tools = held.pending;
        SelectPortCounters& port = ports_[held.port];
        if (held.in_ledger) {
            port.forwarded.add(1, held.size);
            port.unparked.add(1, held.size);
        }
        held.pending = 0;
        held.in_ledger = false;
        cursor_->write(&held, sizeof held);
        at.skip(held.size);
        *cursor_ = at;
        if (packet == nullptr) {
            for_each_tool(tools, [&](std::size_t tool) {
                counters_[tool].offered.add(1, held.size);
                counters_[tool].unreleased.add(1, held.size);
            });
            continue;
        }
        put(packet, tools);
        ++offered;
    }
    cursor_.reset();
    if (next.last) store_.free(next.chain);
    return true;
}

/// An mbuf with the frame at the cursor, which moves behind it. Null when the pool is empty.
rte_mbuf* ToolOutlet::revive(const flow::HeldPacket& held, flow::BlockStore::Cursor& frame) {
    rte_mbuf* const head = rte_pktmbuf_alloc(options_.release_pool);
    if (head == nullptr) return nullptr;
    rte_mbuf* last = head;
    std::uint32_t left = held.size;
    for (;;) {
        const auto chunk = static_cast<std::uint16_t>(std::min<std::uint32_t>(left, port::kMbufDataSize));
        [[maybe_unused]] const bool whole = frame.read(rte_pktmbuf_mtod(last, void*), chunk);
        assert(whole);
        last->data_len = chunk;
        left -= chunk;
        if (left == 0) break;
        rte_mbuf* const next = rte_pktmbuf_alloc(options_.release_pool);
        if (next == nullptr) {
            rte_pktmbuf_free(head);
            return nullptr;
        }
        last->next = next;
        last = next;
        ++head->nb_segs;
    }
    head->pkt_len = held.size;
    port::PacketMeta& meta = port::meta(head);
    meta.timestamp_ns = held.timestamp_ns;
    meta.order_time = held.order_time;
    meta.order_record = held.order_record;
    meta.order_file = held.order_file;
    meta.port = base::PortId{held.port};
    meta.wire_length = held.wire_length;
    return head;
}

}  // namespace yagura::dataplane
