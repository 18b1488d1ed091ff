// SPDX-License-Identifier: BSD-3-Clause
#include "app/bench/packet_store.h"

#include <fmt/format.h>
#include <rte_errno.h>
#include <rte_mbuf.h>

#include <algorithm>
#include <cstring>

#include "app/bench/driver_part.h"

namespace yagura::bench {
namespace {

std::uint16_t room_for(std::size_t largest) {
    return static_cast<std::uint16_t>(
        RTE_ALIGN_CEIL(RTE_PKTMBUF_HEADROOM + largest, std::size_t{RTE_CACHE_LINE_SIZE}));
}

}  // namespace

unsigned PacketStore::memory_mib(std::size_t packets, std::size_t largest) {
    constexpr std::size_t kPage = 4096;  // no packet lies on two
    constexpr std::size_t kMempoolsOwn = 192;
    const std::size_t each = sizeof(rte_mbuf) + port::kMetaSize + room_for(largest) + kMempoolsOwn;
    const std::size_t bytes = each > kPage ? packets * each * 2 : packets / (kPage / each) * kPage;
    return 64 + static_cast<unsigned>((bytes + packets * 16) >> 20);
}

base::Result<std::unique_ptr<PacketStore>> PacketStore::create(const RawFrames& raw, bool one_thread) {
    static unsigned number = 0;
    std::size_t largest = 0;
    for (const RawFrame& frame : raw.frames) largest = std::max(largest, frame.bytes.size());
    if (largest > port::kMbufDataSize) {
        return base::Error{fmt::format("a frame of {} bytes is too large for one buffer", largest)};
    }
    const auto count = static_cast<unsigned>(raw.frames.size());
    rte_mempool* pool = rte_pktmbuf_pool_create_by_ops(fmt::format("store{}", number++).c_str(), count, 0,
                                                       port::kMetaSize, room_for(largest), SOCKET_ID_ANY,
                                                       one_thread ? "ring_sp_sc" : "ring_mp_sc");
    if (pool == nullptr) {
        return base::Error{
            fmt::format("no memory for {} packets to lie in: {}", count, rte_strerror(rte_errno))};
    }
    std::unique_ptr<PacketStore> store(new PacketStore(pool));
    store->packets_.resize(count);
    if (rte_pktmbuf_alloc_bulk(pool, store->packets_.data(), count) != 0) {
        return base::Error{"the pool of packets is not whole"};
    }
    for (unsigned i = 0; i < count; ++i) {
        const RawFrame& frame = raw.frames[i];
        rte_mbuf* packet = store->packets_[i];
        const auto size = static_cast<std::uint16_t>(frame.bytes.size());
        std::memcpy(rte_pktmbuf_mtod(packet, void*), frame.bytes.data(), size);
        packet->data_len = size;
        packet->pkt_len = size;
        fill_driver_part(packet, std::max(frame.wire_length, std::uint32_t{size}), 0);
    }
    rte_mempool_put_bulk(pool, reinterpret_cast<void**>(store->packets_.data()), count);
    return store;
}

PacketStore::~PacketStore() {
    rte_mempool_free(pool_);
}

unsigned PacketStore::take(std::span<rte_mbuf*> burst) {
    auto count = static_cast<unsigned>(burst.size());
    auto** objects = reinterpret_cast<void**>(burst.data());
    if (rte_mempool_get_bulk(pool_, objects, count) == 0) [[likely]]
        return count;
    count = std::min(count, rte_mempool_avail_count(pool_));
    return rte_mempool_get_bulk(pool_, objects, count) == 0 ? count : 0;
}

bool PacketStore::whole() const {
    return rte_mempool_avail_count(pool_) == pool_->size;
}

}  // namespace yagura::bench
