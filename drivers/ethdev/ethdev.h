// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <rte_mempool.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>

#include "base/ids.h"
#include "base/result.h"
#include "drivers/ethdev/packet_socket.h"
#include "port/driver.h"

namespace yagura::ethdev {

/// One DPDK device with one receive and one transmit queue, started in promiscuous mode. Made and destroyed
/// by the control thread; receive() and send() belong to one thread each.
class EthdevPort final : public port::RxQueue, public port::TxQueue {
  public:
    /// `device`: any DPDK device string ("net_af_packet0,iface=br0", "net_ring0", "0000:3b:00.1"); it is
    /// probed if the EAL does not know it yet. Packets are received into `pool`, a PacketPool's, which must
    /// outlive the port. `id`: the network port that they are counted for. `socket_frames`: of a packet
    /// socket's rings, where the device string says nothing of frames.
    static base::Result<std::unique_ptr<EthdevPort>> open(const std::string& device, rte_mempool* pool,
                                                          base::PortId id,
                                                          std::uint32_t socket_frames = kNetworkFrames);
    /// Slots of a packet socket's rings: a network port must bridge the time in which its lcore is away, a
    /// tool port hands its frames over with each burst.
    static constexpr std::uint32_t kNetworkFrames = 1024;
    static constexpr std::uint32_t kToolFrames = 256;
    /// DPDK's memory that open() takes for such a device, besides `pool`.
    static unsigned memory_mib(const std::string& device);
    /// Stops and closes the device; packets that it still holds are freed.
    ~EthdevPort() override;
    EthdevPort(const EthdevPort&) = delete;
    EthdevPort& operator=(const EthdevPort&) = delete;

    [[nodiscard]] std::uint16_t receive(std::span<rte_mbuf*> burst) override;
    [[nodiscard]] std::uint16_t send(std::span<rte_mbuf* const> burst) override;

    base::Count truncated(base::PortId port) const override;
    /// As of the last look.
    std::uint64_t missed(base::PortId port) const override;
    std::uint32_t largest_frame() const override { return largest_.load(std::memory_order_relaxed); }
    bool too_large(const rte_mbuf* packet) const override;
    port::ShedReason refusal() const override {
        return down_.load(std::memory_order_relaxed) ? port::ShedReason::kToolDown
                                                     : port::ShedReason::kToolFull;
    }
    base::Count lost() const override { return failed_.get(); }
    port::ShedReason loss() const override { return port::ShedReason::kToolDown; }

    /// Looks at link, MTU and what was missed. What is new of them since the last time, as half a sentence;
    /// empty: nothing. While a link is down nothing is sent by it, and what is too long for the MTU is not.
    /// Control thread, several times a second.
    std::string look();
    /// What was chosen for the device, for the start-up log; empty: nothing.
    std::string choices() const;

    std::uint16_t dpdk_port() const { return port_; }

  private:
    EthdevPort(std::uint16_t dpdk_port, rte_mempool* pool, base::PortId id, DeviceKind kind)
        : port_(dpdk_port), pool_(pool), id_(id), kind_(kind) {}
    base::Result<void> start(const std::string& device);
    int make_landing(int socket);
    void forget_other_interfaces();
    bool adopt(rte_mbuf*& packet);
    bool is_cut(rte_mbuf* packet) const;
    std::string look_at_interface();
    std::string look_at_device();
    std::uint16_t send_by_socket(std::span<rte_mbuf* const> burst);
    std::uint16_t adopt_pending(std::span<rte_mbuf*> burst);
    template <class Stays>
    std::uint16_t stamp(std::span<rte_mbuf* const> packets, Stays stays);

    std::uint16_t port_;
    rte_mempool* pool_;
    base::PortId id_;
    DeviceKind kind_;
    bool chains_ = false;                   ///< a frame may be a chain of mbufs
    std::optional<PacketSocketRing> ring_;  ///< of net_af_packet
    /// Where a packet socket's frames land, in mbufs as large as its slots, and an XDP socket's, whose driver
    /// keeps some for good. What came is copied into `pool_`'s at once, in as many as it needs.
    std::unique_ptr<rte_mempool, void (*)(rte_mempool*)> landing_{nullptr, &rte_mempool_free};
    std::uint32_t snap_ = std::numeric_limits<std::uint32_t>::max();  ///< shorter frames are whole
    base::PacketCounter truncated_;
    base::Counter missed_;
    int socket_ = -1;  ///< the driver's
    std::atomic<std::uint32_t> largest_{std::numeric_limits<std::uint32_t>::max()};
    std::atomic<bool> down_{false};
    std::uint64_t errors_ = 0;    ///< the driver's count of what it could not send
    base::PacketCounter failed_;  ///< of which this is the part that it had taken
    InterfaceState interface_;    ///< at the last look
    std::string looked_;          ///< what it came to
    unsigned looks_ = 0;
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
