// SPDX-License-Identifier: BSD-3-Clause
#include "port/packet_pool.h"

#include <fmt/format.h>
#include <rte_errno.h>
#include <rte_mbuf.h>

#include <algorithm>
#include <cstring>

#include "port/packet.h"

namespace yagura::port {

base::Result<std::unique_ptr<PacketPool>> PacketPool::create(const std::string& name, std::uint32_t count) {
    const unsigned cache = std::min<unsigned>(kPoolCache, count / 16);
    rte_mempool* pool = rte_pktmbuf_pool_create(name.c_str(), count, cache, kMetaSize,
                                                RTE_PKTMBUF_HEADROOM + kMbufDataSize, SOCKET_ID_ANY);
    if (pool == nullptr) {
        return base::Error{fmt::format("cannot allocate a pool of {} packet buffers ({} MiB): {}", count,
                                       pool_memory_mib(count), rte_strerror(rte_errno))};
    }
    return std::unique_ptr<PacketPool>(new PacketPool(pool));
}

PacketPool::~PacketPool() {
    rte_mempool_free(pool_);
}

std::uint32_t PacketPool::size() const {
    return pool_->size;
}

std::uint32_t PacketPool::available() const {
    return rte_mempool_avail_count(pool_);
}

rte_mbuf* PacketPool::make_packet(rte_mempool* pool, const void* data, std::uint32_t size) {
    const auto* bytes = static_cast<const std::uint8_t*>(data);
    rte_mbuf* head = rte_pktmbuf_alloc(pool);
    if (head == nullptr) return nullptr;
    rte_mbuf* last = head;
    std::uint32_t done = 0;
    for (;;) {
        const auto chunk = static_cast<std::uint16_t>(std::min<std::uint32_t>(size - done, kMbufDataSize));
        std::memcpy(rte_pktmbuf_mtod(last, void*), bytes + done, chunk);
        last->data_len = chunk;
        done += chunk;
        if (done == size) break;
        rte_mbuf* next = rte_pktmbuf_alloc(pool);
        if (next == nullptr) {
            rte_pktmbuf_free(head);
            return nullptr;
        }
        last->next = next;
        last = next;
        ++head->nb_segs;
    }
    head->pkt_len = size;
    return head;
}

}  // namespace yagura::port
