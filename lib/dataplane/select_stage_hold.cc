// SPDX-License-Identifier: BSD-3-Clause
// SelectStage: what is held of undecided flows, and what becomes of it.
#include "dataplane/select_stage.h"

namespace yagura::dataplane {
namespace {

/// How many others are let go for one packet at most.
constexpr unsigned kLetGoPerPacket = 16;

/// No tool has got it, or waits for it to be released.
bool is_nobodys(const flow::HeldPacket& held) {
    return held.in_ledger && held.pending == 0;
}

}  // namespace

/// Keeps a copy, unless the flow has as much as it may (kFull), or there is no room even after older ones
/// have let go (kShort).
SelectStage::Hold SelectStage::hold(select::Selector& selector, const match::PacketView& packet,
                                    const port::PacketMeta& m, flow::FlowEntry& flow, std::uint32_t index,
                                    const select::Verdict& verdict, std::uint64_t gone_to) {
    flow::HoldQueue& queue = selector.held(flow);
    if (packet.captured > options_.hold_bytes || queue.bytes > options_.hold_bytes - packet.captured) {
        return Hold::kFull;
    }
    const flow::HeldPacket held{.timestamp_ns = m.timestamp_ns,
                                .order_time = m.order_time,
                                .order_record = m.order_record,
                                .offered = verdict.tools,
                                .gone_to = gone_to,
                                .pending = 0,
                                .own = verdict.own,
                                .counted = verdict.counted,
                                .size = packet.captured,
                                .wire_length = packet.wire_length,
                                .order_file = m.order_file,
                                .port = m.port.value(),
                                .malformed = static_cast<std::uint8_t>(m.parsed.malformed),
                                .in_ledger = gone_to == 0,
                                .ends_flow = ends_flow(m)};
    for (unsigned tries = 0;; ++tries) {
        if (queue.push(store_, held, packet.frame)) return Hold::kHeld;
        const std::uint32_t oldest = oldest_inspected();
        // What waits to be released gives no room yet.
        if (tries == kLetGoPerPacket || oldest == flow::FlowTable::kNone || oldest == index ||
            outlet_.waits())
            break;
        let_go(oldest);
    }
    flow_counters_.hold_refused.add(1);
    return Hold::kShort;
}

/// Gives held packets what the flow's rules say now. `closed`: for the last time.
void SelectStage::resolve_held(select::Selector& selector, std::uint32_t index, bool closed) {
    flow::FlowEntry& flow = flows_.entry(index);
    flow::HoldQueue& queue = selector.held(flow);
    if (queue.empty()) return;
    if (flow.traced) options_.trace->turn_to(index, now_ns_);
    if (closed) {
        if (const auto reason = selector.resolve_to_nothing(flow)) {
            SelectPortCounters& counters = port_counters_[queue.port];
            counters.dropped[static_cast<std::size_t>(*reason)].add(queue.packets, queue.bytes);
            counters.unparked.add(queue.packets, queue.bytes);
            if (flow.traced) options_.trace->unheld(0, *reason, queue.packets, queue.bytes);
            free_chain(queue.chain);
            queue = {};
            return;
        }
    }
    const std::uint64_t hash = flow.key.symmetric_hash(options_.hash_seed);
    const std::uint64_t shunted = shunted_from(flow, index);
    bool pending = false;
    base::Count left{queue.packets, queue.bytes};
    flow::BlockStore::Cursor at(store_, queue.chain);
    for (;;) {
        flow::BlockStore::Cursor place = at;
        flow::HeldPacket held;
        if (!at.read(&held, sizeof held)) break;
        at.skip(held.size);
        const select::Selector::Resolution now = selector.resolve(flow, held);
        const std::uint64_t fresh = now.tools & ~held.offered;
        // What has gone to one that stood in for another is not sent to it again for its own part.
        std::uint64_t news =
            fresh == 0 ? 0 : reached(selector, now.rules, fresh, hash, &flow) & ~held.gone_to;
        if (!held.ends_flow) news &= ~shunted;
        if (news != 0 && is_nobodys(held) && options_.keep_details)
            flows_.details(index).count_offered(held.size);
        const std::uint64_t shed =
            (news & limited_) == 0 ? 0 : shed_held(held, index, hash, news, left, selector);
        left = left - base::Count{1, held.size};
        held.offered |= fresh;
        held.gone_to |= news;
        held.pending |= news & ~shed;
        held.counted = now.counted;
        pending |= held.pending != 0;
        if (flow.traced && fresh != 0) options_.trace->unheld(fresh, select::DropReason::kNone, 1, held.size);
        place.write(&held, sizeof held);
        if (closed && is_nobodys(held)) {
            const select::DropReason reason = held.offered == 0 ? now.reason : select::DropReason::kShunted;
            SelectPortCounters& counters = port_counters_[held.port];
            counters.dropped[static_cast<std::size_t>(reason)].add(1, held.size);
            counters.unparked.add(1, held.size);
        }
        if (closed && fresh == 0 && flow.traced) {
            options_.trace->unheld(0, held.offered == 0 ? now.reason : select::DropReason::kNone, 1,
                                   held.size);
        }
    }
    if (pending) {
        outlet_.release(queue.chain, closed);
    } else if (closed) {
        free_chain(queue.chain);
    }
    if (closed) queue = {};
}

/// The outlet may still be at it.
void SelectStage::free_chain(flow::BlockStore::Chain& chain) {
    if (outlet_.waits()) {
        outlet_.release(chain, true);
    } else {
        store_.free(chain);
    }
}

}  // namespace yagura::dataplane
