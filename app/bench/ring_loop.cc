// SPDX-License-Identifier: BSD-3-Clause
#include "app/bench/ring_loop.h"

#include <fmt/format.h>
#include <rte_errno.h>
#include <rte_eth_ring.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include <array>

namespace yagura::bench {

unsigned RingLoop::memory_mib(std::size_t packets) {
    return 2 + static_cast<unsigned>(packets * 2 * sizeof(void*) >> 20);
}

base::Result<std::unique_ptr<RingLoop>> RingLoop::create(PacketStore& store) {
    const auto count = static_cast<unsigned>(store.packets().size());
    std::unique_ptr<RingLoop> loop(new RingLoop);
    constexpr unsigned kFlags = RING_F_SP_ENQ | RING_F_SC_DEQ;
    loop->loop_ = rte_ring_create("bench_loop", rte_align32pow2(count + 1), SOCKET_ID_ANY, kFlags);
    loop->unused_ = rte_ring_create("bench_unused", 2, SOCKET_ID_ANY, kFlags);
    if (loop->loop_ == nullptr || loop->unused_ == nullptr) {
        return base::Error{
            fmt::format("no memory for a ring of {} packets: {}", count, rte_strerror(rte_errno))};
    }
    // The driver puts "net_ring_" before the names.
    const auto suffix = [](std::string name) { return name.substr(sizeof("net_ring_") - 1); };
    const bool made =
        rte_eth_from_rings(suffix(kNetworkDevice).c_str(), &loop->loop_, 1, &loop->unused_, 1, 0) >= 0 &&
        rte_eth_from_rings(suffix(kToolDevice).c_str(), &loop->unused_, 1, &loop->loop_, 1, 0) >= 0;
    if (!made) return base::Error{fmt::format("cannot make net_ring devices: {}", rte_strerror(rte_errno))};
    std::array<rte_mbuf*, 64> burst;
    while (const unsigned n = store.take(burst)) {
        rte_ring_sp_enqueue_bulk(loop->loop_, reinterpret_cast<void**>(burst.data()), n, nullptr);
    }
    return loop;
}

RingLoop::~RingLoop() {
    std::array<rte_mbuf*, 64> burst;
    while (loop_ != nullptr) {
        const unsigned n =
            rte_ring_sc_dequeue_burst(loop_, reinterpret_cast<void**>(burst.data()), burst.size(), nullptr);
        if (n == 0) break;
        rte_pktmbuf_free_bulk(burst.data(), n);
    }
    rte_ring_free(loop_);
    rte_ring_free(unused_);
}

}  // namespace yagura::bench
