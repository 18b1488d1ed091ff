// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "base/ids.h"
#include "base/result.h"
#include "port/driver.h"

struct rte_mempool;

namespace yagura::ethdev {

/// One DPDK device with one receive and one transmit queue, started in promiscuous mode. Made and destroyed
/// by the control thread; receive() and send() belong to one thread each.
class EthdevPort final : public port::RxQueue, public port::TxQueue {
  public:
    /// `device`: any DPDK device string ("net_af_packet0,iface=br0", "net_ring0", "0000:3b:00.1"); it is
    /// probed if the EAL does not know it yet. Packets are received into `pool`, a PacketPool's, which must
    /// outlive the port. `id`: the network port that they are counted for.
    static base::Result<std::unique_ptr<EthdevPort>> open(const std::string& device, rte_mempool* pool,
                                                          base::PortId id);
    /// Stops and closes the device; packets that it still holds are freed.
    ~EthdevPort() override;
    EthdevPort(const EthdevPort&) = delete;
    EthdevPort& operator=(const EthdevPort&) = delete;

    [[nodiscard]] std::uint16_t receive(std::span<rte_mbuf*> burst) override;
    [[nodiscard]] std::uint16_t send(std::span<rte_mbuf* const> burst) override;

    std::uint16_t dpdk_port() const { return port_; }

  private:
    EthdevPort(std::uint16_t dpdk_port, rte_mempool* pool, base::PortId id)
        : port_(dpdk_port), pool_(pool), id_(id) {}
    base::Result<void> start(const std::string& device);
    bool adopt(rte_mbuf*& packet);
    std::uint16_t adopt_pending(std::span<rte_mbuf*> burst);
    template <class Stays>
    std::uint16_t stamp(std::span<rte_mbuf* const> packets, Stays stays);

    std::uint16_t port_;
    rte_mempool* pool_;
    base::PortId id_;
    std::uint64_t record_ = 0;
    std::uint64_t order_time_ = 0;
    bool started_ = false;
    /// Of a burst, from the first packet of another program's pool on: what could not be copied for want of
    /// buffers comes later.
    std::array<rte_mbuf*, 64> pending_;
    std::uint16_t pending_first_ = 0;
    std::uint16_t pending_count_ = 0;
};

}  // namespace yagura::ethdev
