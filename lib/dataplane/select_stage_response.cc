// SPDX-License-Identifier: BSD-3-Clause
// SelectStage: what it has to do with cutting connections. What is done, Responder knows.
#include "dataplane/select_stage.h"

namespace yagura::dataplane {

/// A frame of our own, which the tap shows us, is no traffic. It keeps the packet then.
bool SelectStage::take_own(rte_mbuf* packet) {
    const port::PacketMeta& m = port::meta(packet);
    if (!m.parsed.has_flow() || !responder_->is_own(packet, m)) return false;
    port_counters_[m.port.index()].dropped[static_cast<std::size_t>(select::DropReason::kOwnFrame)].add(
        1, rte_pktmbuf_pkt_len(packet));
    unwanted_[unwanted_count_++] = packet;
    return true;
}

/// Shows the packet, and keeps it if it turns out to be ours.
bool SelectStage::respond(std::uint32_t index, unsigned from, bool begins, rte_mbuf* packet) {
    const port::PacketMeta& m = port::meta(packet);
    if (!responder_->saw(index, from, begins, packet, m)) return false;
    port_counters_[m.port.index()].dropped[static_cast<std::size_t>(select::DropReason::kOwnFrame)].add(
        1, rte_pktmbuf_pkt_len(packet));
    unwanted_[unwanted_count_++] = packet;
    return true;
}

/// A flow's end is for everybody who has got some of it.
bool SelectStage::ends_flow(const port::PacketMeta& m) {
    return (m.parsed.tcp_flags & (net::tcp_flag::kFin | net::tcp_flag::kRst)) != 0;
}

unsigned SelectStage::hear_tools() {
    if (options_.feedback == nullptr) return 0;
    std::array<rte_mbuf*, kMaxBurst> burst;
    const unsigned count = options_.feedback->take({burst.data(), options_.burst});
    for (unsigned i = 0; i < count; ++i) {
        const port::PacketMeta& m = port::meta(burst[i]);
        const base::ToolId tool{static_cast<std::uint8_t>(m.port.value())};
        const std::uint32_t index = flows_.look_up(m.parsed.key, m.flow_hash);
        std::uint64_t given = 0;
        if (index != flow::FlowTable::kNone) {
            const flow::FlowEntry& flow = flows_.entry(index);
            const select::Selector& knower = knower_of(flow);
            given = knower.offered_tools(flow);
            // And who gets it in the place of one that is down.
            if (flow.epoch == knower.epoch()) given |= tools_of(knower, flow);
        }
        responder_->heard(tool, index, given);
    }
    if (count != 0) rte_pktmbuf_free_bulk(burst.data(), count);
    return count;
}

}  // namespace yagura::dataplane
