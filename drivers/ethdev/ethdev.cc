// SPDX-License-Identifier: BSD-3-Clause
#include "drivers/ethdev/ethdev.h"

#include <fmt/format.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "base/clock.h"
#include "port/packet.h"
#include "port/packet_pool.h"

namespace yagura::ethdev {
namespace {

constexpr std::uint16_t kDescriptors = 1024;
constexpr std::uint16_t kNoPort = RTE_MAX_ETHPORTS;

struct LandingPool {
    unsigned packets;
    unsigned cache;
    std::uint32_t bytes;  ///< of frame in each
};

std::uint16_t find(const std::string& device) {
    rte_dev_iterator iterator;
    std::uint16_t found = kNoPort;
    std::uint16_t id;
    RTE_ETH_FOREACH_MATCHING_DEV(id, device.c_str(), &iterator) {
        if (found == kNoPort) found = id;
    }
    if (found != kNoPort) return found;
    const std::string name = device.substr(0, device.find(','));
    return rte_eth_dev_get_port_by_name(name.c_str(), &id) == 0 ? id : kNoPort;
}

}  // namespace

unsigned EthdevPort::memory_mib(const std::string& device) {
    // The landing pool, and the driver's lists of slots.
    switch (DeviceString(device).kind()) {
        case DeviceKind::kAfPacket:
            return 12;
        case DeviceKind::kAfXdp:
            return 48;
        default:
            return 0;
    }
}

base::Result<std::unique_ptr<EthdevPort>> EthdevPort::open(const std::string& text, rte_mempool* pool,
                                                           base::PortId id, std::uint32_t socket_frames) {
    DeviceString parts(text);
    std::optional<PacketSocketRing> ring;
    if (parts.kind() == DeviceKind::kAfPacket) {
        auto completed = complete_packet_socket(parts, socket_frames);
        if (!completed) return completed.error();
        ring = *completed;
    }
    const std::string device = ring ? parts.to_string() : text;
    std::uint16_t dpdk_port = find(device);
    const std::vector<int> sockets = packet_sockets();
    if (dpdk_port == kNoPort) {
        if (const int error = rte_dev_probe(device.c_str()); error != 0) {
            return base::Error{
                fmt::format("cannot open the device \"{}\": {}", device, rte_strerror(-error))};
        }
        dpdk_port = find(device);
    }
    if (dpdk_port == kNoPort) {
        return base::Error{
            fmt::format("the device \"{}\" was found, but it is not an Ethernet device", device)};
    }
    std::unique_ptr<EthdevPort> port(new EthdevPort(dpdk_port, pool, id, parts.kind()));
    port->ring_ = std::move(ring);
    // Of several queues' the first one's: the driver makes them in turn, and we use no other.
    for (const int fd : packet_sockets()) {
        if (port->socket_ < 0 && std::ranges::find(sockets, fd) == sockets.end()) port->socket_ = fd;
    }
    if (auto started = port->start(device); !started) return started.error();
    return port;
}

/// A pool of its own for a driver that needs larger buffers than ours, or keeps some for good.
int EthdevPort::make_landing(int socket) {
    LandingPool size;
    if (kind_ == DeviceKind::kAfPacket) {
        // A burst, and what one lcore keeps.
        size = {.packets = 127, .cache = 32, .bytes = ring_->sendable()};
        snap_ = ring_->snap();
    } else if (kind_ == DeviceKind::kAfXdp) {
        // The kernel's rings of 2,048, which are not given back when the device is closed.
        size = {.packets = 8191, .cache = 256, .bytes = port::kMbufDataSize};
    } else {
        return 0;
    }
    rte_mempool* pool =
        rte_pktmbuf_pool_create(fmt::format("landing{}", port_).c_str(), size.packets, size.cache, 0,
                                static_cast<std::uint16_t>(size.bytes + RTE_PKTMBUF_HEADROOM), socket);
    if (pool == nullptr) return rte_errno;
    landing_.reset(pool);
    return 0;
}

base::Result<void> EthdevPort::start(const std::string& device) {
    const auto fail = [&](const char* step, int error) {
        return base::Error{fmt::format("device \"{}\": cannot {}: {}", device, step,
                                       rte_strerror(error < 0 ? -error : error))};
    };
    const int socket = rte_eth_dev_socket_id(port_);
    if (const int e = make_landing(socket); e != 0) return fail("allocate its receive buffers", e);
    rte_mempool* landing = landing_ ? landing_.get() : pool_;
    rte_eth_dev_info info{};
    if (const int e = rte_eth_dev_info_get(port_, &info); e != 0) return fail("ask what it can do", e);
    rte_eth_conf conf{};
    conf.txmode.offloads = info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
    chains_ = conf.txmode.offloads != 0;
    if (const int e = rte_eth_dev_configure(port_, 1, 1, &conf); e != 0) return fail("configure it", e);
    std::uint16_t rx = kDescriptors;
    std::uint16_t tx = kDescriptors;
    if (const int e = rte_eth_dev_adjust_nb_rx_tx_desc(port_, &rx, &tx); e != 0)
        return fail("size its queues", e);
    const auto node = static_cast<unsigned>(socket);
    if (const int e = rte_eth_rx_queue_setup(port_, 0, rx, node, nullptr, landing); e != 0) {
        return fail("set up its receive queue", e);
    }
    if (const int e = rte_eth_tx_queue_setup(port_, 0, tx, node, nullptr); e != 0) {
        return fail("set up its transmit queue", e);
    }
    // DPDK sets an interface's flag to what it takes for ours when it starts: one that is set shall stay.
    if (ring_ && interface_state(ring_->iface).promiscuous) rte_eth_promiscuous_enable(port_);
    if (const int e = rte_eth_dev_start(port_); e != 0) return fail("start it", e);
    started_ = true;
    if (ring_) {
        // The driver would set that flag, which outlives us.
        if (!listen_to_all(socket_, ring_->iface)) return fail("make it promiscuous", errno);
        forget_other_interfaces();
        return {};
    }
    // Devices without the notion of an address filter refuse, and need it not.
    if (const int e = rte_eth_promiscuous_enable(port_); e != 0 && e != -ENOTSUP)
        return fail("make it promiscuous", e);
    return {};
}

/// The driver's socket hears every interface until it is bound to its own: what came by then, which cannot be
/// told from what is ours, is not traffic of this port, nor is it missed.
void EthdevPort::forget_other_interfaces() {
    std::array<rte_mbuf*, 64> burst;
    for (std::uint32_t frames = 0; frames < ring_->frame_count;) {
        const std::uint16_t n =
            rte_eth_rx_burst(port_, 0, burst.data(), static_cast<std::uint16_t>(burst.size()));
        if (n == 0) break;
        rte_pktmbuf_free_bulk(burst.data(), n);
        frames += n;
    }
    (void)socket_drops(socket_);
}

EthdevPort::~EthdevPort() {
    if (pending_count_ != 0) rte_pktmbuf_free_bulk(pending_.data() + pending_first_, pending_count_);
    if (started_) {
        // A ring device keeps packets that nobody has read.
        std::array<rte_mbuf*, 64> burst;
        for (unsigned bursts = 0; bursts < 1024; ++bursts) {
            const std::uint16_t n =
                rte_eth_rx_burst(port_, 0, burst.data(), static_cast<std::uint16_t>(burst.size()));
            if (n == 0) break;
            rte_pktmbuf_free_bulk(burst.data(), n);
        }
        rte_eth_dev_stop(port_);
    }
    rte_eth_dev_close(port_);
}

/// Puts a packet that came without room for our metadata (of another program's pool), or that others still
/// hold (a tool's copy that came back through a ring device), into a packet of our own.
bool EthdevPort::adopt(rte_mbuf*& packet) {
    if (packet->priv_size >= sizeof(port::PacketMeta) && rte_mbuf_refcnt_read(packet) == 1) [[likely]]
        return true;
    rte_mbuf* copy = rte_pktmbuf_copy(packet, pool_, 0, UINT32_MAX);
    if (copy == nullptr) return false;
    rte_pktmbuf_free(packet);
    packet = copy;
    return true;
}

bool EthdevPort::is_cut(rte_mbuf* packet) const {
    if (rte_pktmbuf_pkt_len(packet) < snap_) [[likely]]
        return false;
    return !is_whole({rte_pktmbuf_mtod(packet, const std::uint8_t*), packet->data_len});
}

/// Takes what was kept, as far as there are buffers for it and room for the result.
std::uint16_t EthdevPort::adopt_pending(std::span<rte_mbuf*> burst) {
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
inline std::uint16_t EthdevPort::stamp(std::span<rte_mbuf* const> packets, Stays stays) {
    const std::uint64_t now = base::realtime_ns();
    const std::uint64_t order_time = order_time_ = std::max(order_time_, now);
    const base::PortId id = id_;
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

std::uint16_t EthdevPort::receive(std::span<rte_mbuf*> burst) {
    std::uint16_t n = 0;
    if (pending_count_ == 0) [[likely]] {
        const auto room = static_cast<std::uint16_t>(std::min(burst.size(), pending_.size()));
        const std::uint16_t received = rte_eth_rx_burst(port_, 0, burst.data(), room);
        if (received == 0) return 0;
        n = stamp(burst.first(received), [pool = pool_](const rte_mbuf* packet) {
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

std::uint16_t EthdevPort::send(std::span<rte_mbuf* const> burst) {
    if (down_.load(std::memory_order_relaxed)) [[unlikely]]
        return 0;
    if (ring_) return send_by_socket(burst);
    return rte_eth_tx_burst(port_, 0, const_cast<rte_mbuf**>(burst.data()),
                            static_cast<std::uint16_t>(burst.size()));
}

/// The driver takes packets that the kernel then refuses, all of a burst or none, and tells by a counter.
std::uint16_t EthdevPort::send_by_socket(std::span<rte_mbuf* const> burst) {
    std::uint64_t bytes = 0;
    for (const rte_mbuf* packet : burst) bytes += rte_pktmbuf_pkt_len(packet);
    const std::uint16_t sent = rte_eth_tx_burst(port_, 0, const_cast<rte_mbuf**>(burst.data()),
                                                static_cast<std::uint16_t>(burst.size()));
    rte_eth_stats stats;
    if (rte_eth_stats_get(port_, &stats) != 0 || stats.oerrors == errors_) [[likely]]
        return sent;
    for (const rte_mbuf* packet : burst.subspan(sent)) bytes -= rte_pktmbuf_pkt_len(packet);
    failed_.add(std::min<std::uint64_t>(stats.oerrors - errors_, sent), bytes);
    errors_ = stats.oerrors;
    return sent;
}

base::Count EthdevPort::truncated(base::PortId port) const {
    return port == id_ ? truncated_.get() : base::Count{};
}

std::uint64_t EthdevPort::missed(base::PortId port) const {
    return port == id_ ? missed_.get() : 0;
}

}  // namespace yagura::ethdev
