// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <rte_mempool.h>

#include <array>
#include <cstdint>
#include <limits>
#include <memory>

#include "base/ids.h"
#include "port/driver.h"

namespace yagura::ethdev {

/// One receive queue of a DPDK device (EthdevPort). Packets are received into `pool`, or copied there from
/// where the driver wants them to land.
class EthdevQueue final : public port::RxQueue {
  public:
    struct Options {
        std::uint16_t dpdk_port;
        std::uint16_t queue;
        rte_mempool* pool;                      ///< a PacketPool's
        base::PortId id;                        ///< that the packets are counted for
        const base::Counter* missed = nullptr;  ///< of the whole device, for one of its queues to tell
    };
    explicit EthdevQueue(const Options& options) : options_(options) {}
    ~EthdevQueue() override;  ///< frees what was kept
    EthdevQueue(const EthdevQueue&) = delete;
    EthdevQueue& operator=(const EthdevQueue&) = delete;

    /// Gives the queue a pool of its own for its driver to receive into, of so many packets and bytes of
    /// frame; a frame of at least `snap` bytes may be cut. Returns an error of rte_errno, or 0.
    int make_landing(unsigned packets, unsigned cache, std::uint32_t bytes, std::uint32_t snap, int socket);
    /// Where the driver puts packets.
    rte_mempool* landing() const { return landing_ ? landing_.get() : options_.pool; }

    [[nodiscard]] std::uint16_t receive(std::span<rte_mbuf*> burst) override;
    base::Count truncated(base::PortId port) const override {
        return port == options_.id ? truncated_.get() : base::Count{};
    }
    /// As of the device's last look.
    std::uint64_t missed(base::PortId port) const override {
        return port == options_.id && options_.missed != nullptr ? options_.missed->get() : 0;
    }

  private:
    bool adopt(rte_mbuf*& packet);
    bool is_cut(rte_mbuf* packet) const;
    std::uint16_t adopt_pending(std::span<rte_mbuf*> burst);
    template <class Stays>
    std::uint16_t stamp(std::span<rte_mbuf* const> packets, Stays stays);

    Options options_;
    /// Where a packet socket's frames land, in mbufs as large as its slots, and an XDP socket's, whose driver
    /// keeps some for good. What came is copied into our pool's at once, in as many as it needs.
    std::unique_ptr<rte_mempool, void (*)(rte_mempool*)> landing_{nullptr, &rte_mempool_free};
    std::uint32_t snap_ = std::numeric_limits<std::uint32_t>::max();  ///< shorter frames are whole
    base::PacketCounter truncated_;
    std::uint64_t record_ = 0;
    std::uint64_t order_time_ = 0;
    /// Of a burst, from the first packet of another program's pool on: what could not be copied for want of
    /// buffers comes later.
    std::array<rte_mbuf*, 64> pending_;
    std::uint16_t pending_first_ = 0;
    std::uint16_t pending_count_ = 0;
};

}  // namespace yagura::ethdev
