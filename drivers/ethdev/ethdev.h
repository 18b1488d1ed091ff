// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <rte_mempool.h>

#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "drivers/ethdev/ethdev_queue.h"
#include "drivers/ethdev/packet_socket.h"
#include "drivers/ethdev/rss.h"
#include "port/driver.h"

namespace yagura::ethdev {

/// One DPDK device with its receive queues and one transmit queue, started in promiscuous mode. One thread
/// opens devices at a time; each queue, and send(), belong to one thread each.
class EthdevPort final : public port::TxQueue {
  public:
    /// Slots of a packet socket's rings: a network port must bridge the time in which its lcore is away, a
    /// tool port hands its frames over with each burst.
    static constexpr std::uint32_t kNetworkFrames = 1024;
    static constexpr std::uint32_t kToolFrames = 256;
    struct Options {
        std::uint16_t queues = 1;  ///< to receive by, over which the device spreads flows (rss.h)
        /// Of a packet socket's rings, of all queues together, where the device string says nothing of
        /// frames.
        std::uint32_t socket_frames = kNetworkFrames;
    };
    /// `device`: any DPDK device string ("net_af_packet0,iface=br0", "net_ring0", "0000:3b:00.1"); it is
    /// probed if the EAL does not know it yet. Packets are received into `pool`, a PacketPool's, which must
    /// outlive the port. `id`: the network port that they are counted for.
    static base::Result<std::unique_ptr<EthdevPort>> open(const std::string& device, rte_mempool* pool,
                                                          base::PortId id, const Options& options);
    /// DPDK's memory that open() takes for such a device, besides `pool`.
    static unsigned memory_mib(const std::string& device, unsigned queues);
    /// Stops and closes the device; packets that it still holds are freed.
    ~EthdevPort() override;
    EthdevPort(const EthdevPort&) = delete;
    EthdevPort& operator=(const EthdevPort&) = delete;

    EthdevQueue& queue(std::size_t number) { return *queues_[number]; }
    std::vector<port::RxQueue*> queues() const;
    [[nodiscard]] std::uint16_t send(std::span<rte_mbuf* const> burst) override;

    std::uint32_t largest_frame() const override { return largest_.load(std::memory_order_relaxed); }
    bool too_large(const rte_mbuf* packet) const override;
    bool is_down() const override { return down_.load(std::memory_order_relaxed); }
    port::ShedReason refusal() const override {
        return is_down() ? port::ShedReason::kToolDown : port::ShedReason::kToolFull;
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
    EthdevPort(std::uint16_t dpdk_port, DeviceKind kind) : port_(dpdk_port), kind_(kind) {}
    base::Result<void> start(const std::string& device);
    int make_landing(EthdevQueue& queue, int socket) const;
    void forget_other_interfaces();
    void drain(std::uint16_t queue, std::uint32_t packets);
    std::string look_at_interface();
    std::string look_at_device();
    std::uint16_t send_by_socket(std::span<rte_mbuf* const> burst);

    std::uint16_t port_;
    DeviceKind kind_;
    bool chains_ = false;                   ///< a frame may be a chain of mbufs
    std::optional<PacketSocketRing> ring_;  ///< of net_af_packet
    std::vector<std::unique_ptr<EthdevQueue>> queues_;
    Rss rss_ = Rss::kNone;
    base::Counter missed_;
    std::vector<int> sockets_;  ///< the driver's, by queue
    std::atomic<std::uint32_t> largest_{std::numeric_limits<std::uint32_t>::max()};
    std::atomic<bool> down_{false};
    std::uint64_t errors_ = 0;    ///< the driver's count of what it could not send
    base::PacketCounter failed_;  ///< of which this is the part that it had taken
    InterfaceState interface_;    ///< at the last look
    std::string looked_;          ///< what it came to
    unsigned looks_ = 0;
    bool started_ = false;
    bool probed_ = false;  ///< the EAL did not know it before
};

}  // namespace yagura::ethdev
