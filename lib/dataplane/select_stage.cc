// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/select_stage.h"

#include <rte_prefetch.h>

#include <algorithm>
#include <bit>

namespace yagura::dataplane {

SelectStage::SelectStage(Options options, select::Selector* selector)
    : options_(std::move(options)),
      selector_(selector),
      next_selector_(selector),
      flows_(options_.flows, {}, options_.keep_details),
      port_counters_(options_.ports),
      tool_counters_(options_.tools.size()),
      buffer_(std::make_unique<port::FrameBuffer>()),
      outgoing_(options_.tools.size()) {}

bool SelectStage::tools_have_room() const {
    return std::ranges::all_of(options_.tools,
                               [this](const PacketRing* ring) { return ring->room() >= options_.burst; });
}

unsigned SelectStage::turn() {
    selector_ = next_selector_.load(std::memory_order_acquire);
    unsigned handled = 0;
    std::array<rte_mbuf*, kMaxBurst> burst;
    for (PacketRing* input : options_.inputs) {
        if (options_.pressure == Pressure::kPushBack && !tools_have_room()) break;
        const unsigned n = input->take({burst.data(), options_.burst});
        if (n == 0) continue;
        handle({burst.data(), n});
        handled += n;
    }
    return handled;
}

void SelectStage::handle(std::span<rte_mbuf* const> burst) {
    for (rte_mbuf* packet : burst) rte_prefetch0(&port::meta(packet));
    for (rte_mbuf* packet : burst) flows_.prefetch(port::meta(packet).flow_hash);
    for (rte_mbuf* packet : burst) flows_.prefetch_entry(port::meta(packet).flow_hash, options_.keep_details);

    struct Arrival {
        base::PortId port;
        std::uint32_t captured;
    };
    std::array<Arrival, kMaxBurst> arrived;
    for (std::size_t i = 0; i < burst.size(); ++i) {
        arrived[i] = {port::meta(burst[i]).port, rte_pktmbuf_pkt_len(burst[i])};
    }
    std::array<rte_mbuf*, kMaxBurst> unwanted;
    unsigned unwanted_count = 0;
    for (rte_mbuf* packet : burst) {
        const std::uint64_t tools = select_one(packet);
        if (tools == 0) {
            unwanted[unwanted_count++] = packet;
        } else {
            offer(packet, tools);
        }
    }
    // Taken is counted last, and by sizes read before tx can free a packet: what is not yet offered is still
    // in flight.
    flush_tools();
    for (const auto& [port, captured] : std::span(arrived.data(), burst.size()))
        port_counters_[port.index()].taken.add(1, captured);
    if (unwanted_count != 0) rte_pktmbuf_free_bulk(unwanted.data(), unwanted_count);
}

std::uint64_t SelectStage::select_one(rte_mbuf* packet) {
    const port::PacketMeta& m = port::meta(packet);
    const std::uint32_t captured = rte_pktmbuf_pkt_len(packet);
    PortCounters& counters = port_counters_[m.port.index()];

    flow::FlowTable::Found found;
    flow::FlowEntry* flow = nullptr;
    if (m.parsed.has_flow()) [[likely]] {
        found = flows_.find_or_insert(m.parsed.key, m.flow_hash,
                                      {.now_ns = m.order_time,
                                       .tcp_flags = m.parsed.tcp_flags,
                                       .has_payload = m.parsed.payload_size != 0});
        if (found.index != flow::FlowTable::kNone) [[likely]] {
            flow = &flows_.entry(found.index);
        } else {
            untracked_.add(1);
        }
    }
    match::PacketView view{
        .frame = {}, .wire_length = m.wire_length, .parsed = &m.parsed, .captured = captured};
    if (selector_->needs_bytes(flow)) view.frame = port::contiguous(packet, *buffer_);

    const select::Verdict verdict = selector_->select(view, m.flow_hash, flow);
    if (verdict.tools != 0) {
        counters.forwarded.add(1, captured);
    } else {
        counters.dropped[static_cast<std::size_t>(verdict.reason)].add(1, captured);
    }
    if (flow != nullptr && options_.keep_details) {
        count_flow(flows_.details(found.index), m, captured, found.inserted, verdict.tools);
    }
    return verdict.tools;
}

void SelectStage::count_flow(flow::FlowDetails& details, const port::PacketMeta& m, std::uint32_t captured,
                             bool inserted, std::uint64_t tools) {
    // In capture order, which is not quite that of arrival: a fragment may have waited for its first one.
    const auto order = flow::CaptureOrder::of(m.order_time, m.order_file, m.order_record);
    if (inserted || order < details.first) {
        details.first_ns = m.timestamp_ns;
        details.first = order;
        details.vlans = m.parsed.vlans;
        details.vlan_count = m.parsed.vlan_count;
        details.tunnel = m.parsed.tunnel;
        details.tunnel_id = m.parsed.tunnel_id;
    }
    if (inserted || order >= details.last) {
        details.last_ns = m.timestamp_ns;
        details.last = order;
    }
    ++details.seen_packets;
    details.seen_bytes += captured;
    if (tools == 0) return;
    ++details.packets;
    details.bytes += captured;
    std::uint64_t fresh = tools & ~details.tools;
    details.tools |= tools;
    for (; fresh != 0; fresh &= fresh - 1)
        tool_counters_[static_cast<unsigned>(std::countr_zero(fresh))].flows.add(1);
}

void SelectStage::offer(rte_mbuf* packet, std::uint64_t tools) {
    const int copies = std::popcount(tools);
    if (copies > 1) rte_pktmbuf_refcnt_update(packet, static_cast<std::int16_t>(copies - 1));
    for (; tools != 0; tools &= tools - 1) {
        Outgoing& out = outgoing_[static_cast<unsigned>(std::countr_zero(tools))];
        out.packets[out.count++] = packet;
    }
}

void SelectStage::flush_tools() {
    for (std::size_t tool = 0; tool < outgoing_.size(); ++tool) {
        Outgoing& out = outgoing_[tool];
        if (out.count == 0) continue;
        // Counted before tx can see them: offered is never less than sent.
        std::uint64_t bytes = 0;
        for (unsigned i = 0; i < out.count; ++i) bytes += rte_pktmbuf_pkt_len(out.packets[i]);
        tool_counters_[tool].offered.add(out.count, bytes);
        const unsigned taken = options_.tools[tool]->put({out.packets.data(), out.count});
        if (taken < out.count) {
            std::uint64_t shed = 0;
            for (unsigned i = taken; i < out.count; ++i) shed += rte_pktmbuf_pkt_len(out.packets[i]);
            tool_counters_[tool].shed.add(out.count - taken, shed);
            rte_pktmbuf_free_bulk(out.packets.data() + taken, out.count - taken);
        }
        out.count = 0;
    }
}

}  // namespace yagura::dataplane
