// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/feedback_stage.h"

#include <algorithm>

#include "net/parser.h"
#include "port/packet.h"
#include "reset/tool_verdict.h"

namespace yagura::dataplane {

void FeedbackStage::set_tool(base::ToolId tool, port::RxQueue* queue) noexcept {
    queues_[tool.index()] = queue;
    tools_ = queues_.size();
    while (tools_ != 0 && queues_[tools_ - 1] == nullptr) --tools_;
}

unsigned FeedbackStage::turn() {
    unsigned handled = 0;
    for (std::size_t tool = 0; tool < tools_; ++tool) {
        if (queues_[tool] != nullptr) handled += listen(tool);
    }
    return handled;
}

unsigned FeedbackStage::listen(std::size_t tool) {
    std::array<rte_mbuf*, kMaxBurst> burst;
    const unsigned count = queues_[tool]->receive({burst.data(), options_.burst});
    ToolCounters& counters = counters_[tool];
    counters.received.add(count);
    for (unsigned i = 0; i < count; ++i) {
        rte_mbuf* packet = burst[i];
        port::PacketMeta& m = port::meta(packet);
        const base::Bytes frame(rte_pktmbuf_mtod(packet, const std::uint8_t*), rte_pktmbuf_data_len(packet));
        net::parse(frame, rte_pktmbuf_pkt_len(packet), net::LinkType::kEthernet, m.parsed);
        const auto key = reset::tool_verdict(frame, m.parsed);
        if (!key) {
            counters.ignored.add(1);
            rte_pktmbuf_free(packet);
            continue;
        }
        m.parsed.key = *key;
        if (options_.flow_identity.any()) net::set_domain(m.parsed, options_.flow_identity);
        port::set_flow_hash(m, options_.hash_seed);
        m.port = base::PortId{static_cast<std::uint16_t>(tool)};
        if (options_.outputs[select_of(m.flow_hash, options_.outputs.size())]->put({&packet, 1}) == 1)
            continue;
        counters.ring_full.add(1);
        rte_pktmbuf_free(packet);
    }
    return count;
}

}  // namespace yagura::dataplane
