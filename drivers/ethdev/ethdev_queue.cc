// SPDX-License-Identifier: BSD-3-Clause
#include "drivers/ethdev/ethdev_queue.h"

#include <fmt/format.h>
#include <rte_errno.h>
#include <rte_ethdev.h>

#include <algorithm>

#include "base/clock.h"
#include "drivers/ethdev/packet_socket.h"
#include "port/packet.h"

namespace yagura::ethdev {

EthdevQueue::~EthdevQueue() {
    if (pending_count_ != 0) rte_pktmbuf_free_bulk(pending_.data() + pending_first_, pending_count_);
}

int EthdevQueue::make_landing(unsigned packets, unsigned cache, std::uint32_t bytes, std::uint32_t snap,
                              int socket) {
    const std::string name = fmt::format("landing{}q{}", options_.dpdk_port, options_.queue);
    rte_mempool* pool = rte_pktmbuf_pool_create(
        name.c_str(), packets, cache, 0, static_cast<std::uint16_t>(bytes + RTE_PKTMBUF_HEADROOM), socket);
    if (pool == nullptr) return rte_errno;
    landing_.reset(pool);
    snap_ = snap;
    return 0;
}

/// Puts a packet that came without room for our metadata (of another program's pool), or that others still
/// hold (a tool's copy that came back through a ring device), into a packet of our own.
bool EthdevQueue::adopt(rte_mbuf*& packet) {
    if (packet->priv_size >= sizeof(port::PacketMeta) && rte_mbuf_refcnt_read(packet) == 1) [[likely]]
        return true;
    rte_mbuf* copy = rte_pktmbuf_copy(packet, options_.pool, 0, UINT32_MAX);
    if (copy == nullptr) return false;
    rte_pktmbuf_free(packet);
    packet = copy;
    return true;
}

bool EthdevQueue::is_cut(rte_mbuf* packet) const {
    if (rte_pktmbuf_pkt_len(packet) < snap_) [[likely]]
        return false;
    return !is_whole({rte_pktmbuf_mtod(packet, const std::uint8_t*), packet->data_len});
}

/// Takes what was kept, as far as there are buffers for it and room for the result.
std::uint16_t EthdevQueue::adopt_pending(std::span<rte_mbuf*> burst) {
    std::uint16_t n = 0;
    while (n < burst.size() && pending_count_ != 0) {
        rte_mbuf*& packet = pending_[pending_first_];
        if (is_cut(packet)) [[unlikely]] {
            truncated_.add(1, rte_pktmbuf_pkt_len(packet));
            rte_pktmbuf_free(packet);
        } else if (adopt(packet)) {
            burst[n++] = packet;
        } else {
            break;
        }
        ++pending_first_;
        --pending_count_;
    }
    return n;
}

/// Fills in the driver's part of PacketMeta up to the first packet that `stays` refuses. Returns how many.
template <class Stays>
inline std::uint16_t EthdevQueue::stamp(std::span<rte_mbuf* const> packets, Stays stays) {
    const std::uint64_t now = base::realtime_ns();
    const std::uint64_t order_time = order_time_ = std::max(order_time_, now);
    const base::PortId id = options_.id;
    const std::uint64_t first = record_;
    std::uint16_t n = 0;
    for (rte_mbuf* packet : packets) {
        if (!stays(packet)) [[unlikely]]
            break;
        port::PacketMeta& m = port::meta(packet);
        m.timestamp_ns = now;
        m.order_time = order_time;
        m.order_record = first + n;
        m.order_file = 0;
        m.port = id;
        m.wire_length = rte_pktmbuf_pkt_len(packet);
        ++n;
    }
    record_ = first + n;
    return n;
}

std::uint16_t EthdevQueue::receive(std::span<rte_mbuf*> burst) {
    std::uint16_t n = 0;
    if (pending_count_ == 0) [[likely]] {
        const auto room = static_cast<std::uint16_t>(std::min(burst.size(), pending_.size()));
        const std::uint16_t received =
            rte_eth_rx_burst(options_.dpdk_port, options_.queue, burst.data(), room);
        if (received == 0) return 0;
        n = stamp(burst.first(received), [pool = options_.pool](const rte_mbuf* packet) {
            return packet->pool == pool && rte_mbuf_refcnt_read(packet) == 1;
        });
        if (n == received) [[likely]]
            return n;
        pending_first_ = 0;
        pending_count_ = static_cast<std::uint16_t>(received - n);
        std::copy_n(&burst[n], pending_count_, pending_.begin());
    }
    const std::uint16_t adopted = adopt_pending(burst.subspan(n));
    if (adopted != 0) stamp(burst.subspan(n, adopted), [](const rte_mbuf*) { return true; });
    return static_cast<std::uint16_t>(n + adopted);
}

}  // namespace yagura::ethdev
