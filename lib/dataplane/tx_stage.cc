// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/tx_stage.h"

#include <array>

namespace yagura::dataplane {

unsigned TxStage::turn() {
    unsigned handled = 0;
    std::array<rte_mbuf*, kMaxBurst> burst;
    for (std::size_t i = 0; i < tools_.size(); ++i) {
        unsigned taken = 0;
        for (PacketRing* input : tools_[i].inputs) {
            const unsigned n = input->take({burst.data(), burst_});
            if (n == 0) continue;
            send(i, {burst.data(), n});
            taken += n;
        }
        if (taken == 0) tools_[i].queue->flush();
        handled += taken;
    }
    return handled;
}

void TxStage::send(std::size_t index, std::span<rte_mbuf* const> burst) {
    // A queue may free what it sends at once: sizes are read before. What it does not take stays ours.
    std::uint64_t bytes = 0;
    for (const rte_mbuf* packet : burst) bytes += rte_pktmbuf_pkt_len(packet);
    const unsigned sent = tools_[index].queue->send(burst);
    std::uint64_t shed_bytes = 0;
    for (const rte_mbuf* packet : burst.subspan(sent)) shed_bytes += rte_pktmbuf_pkt_len(packet);
    counters_[index].sent.add(sent, bytes - shed_bytes);
    if (sent == burst.size()) return;
    const auto shed = static_cast<unsigned>(burst.size()) - sent;
    counters_[index].shed[static_cast<std::size_t>(tools_[index].queue->refusal())].add(shed, shed_bytes);
    rte_pktmbuf_free_bulk(const_cast<rte_mbuf**>(burst.data()) + sent, shed);
}

}  // namespace yagura::dataplane
