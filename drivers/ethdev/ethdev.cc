// SPDX-License-Identifier: BSD-3-Clause
#include "drivers/ethdev/ethdev.h"

#include <fmt/format.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "drivers/ethdev/open_advice.h"
#include "port/packet_pool.h"

namespace yagura::ethdev {
namespace {

constexpr std::uint16_t kDescriptors = 1024;
constexpr std::uint16_t kNoPort = RTE_MAX_ETHPORTS;
constexpr std::size_t kUsualKeySize = 40;

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

/// A vhost-user socket at which nobody listens: whoever made it was killed, and the driver would not bind to
/// it.
void remove_stale_socket(const DeviceString& device) {
    const auto path = device.argument("iface");
    sockaddr_un address{};
    if (device.kind() != DeviceKind::kVhost || !path || path->size() >= sizeof address.sun_path) return;
    address.sun_family = AF_UNIX;
    std::ranges::copy(*path, address.sun_path);
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return;
    // What is no socket, or is listened to, is left alone.
    const int error =
        connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ? 0 : errno;
    close(fd);
    if (error == ECONNREFUSED) unlink(address.sun_path);
}

}  // namespace

unsigned EthdevPort::memory_mib(const std::string& device, unsigned queues) {
    // The landing pools, and the driver's lists of slots.
    switch (DeviceString(device).kind()) {
        case DeviceKind::kAfPacket:
            return 12 * queues;
        case DeviceKind::kAfXdp:
            return 48 * queues;
        default:
            return 0;
    }
}

base::Result<std::unique_ptr<EthdevPort>> EthdevPort::open(const std::string& text, rte_mempool* pool,
                                                           base::PortId id, const Options& options) {
    DeviceString parts(text);
    if (const std::string refusal = refusal_of(parts, port::kMbufDataSize); !refusal.empty())
        return base::Error{fmt::format("the device \"{}\": {}", text, refusal)};
    std::optional<PacketSocketRing> ring;
    if (parts.kind() == DeviceKind::kAfPacket) {
        auto completed = complete_packet_socket(parts, options.socket_frames, options.queues);
        if (!completed) return completed.error();
        ring = *completed;
    }
    remove_stale_socket(parts);
    const std::string device = ring ? parts.to_string() : text;
    std::uint16_t dpdk_port = find(device);
    bool ours = false;
    const std::vector<int> sockets = packet_sockets();
    if (dpdk_port == kNoPort) {
        if (const int error = rte_dev_probe(device.c_str()); error != 0) {
            return base::Error{fmt::format("cannot open the device \"{}\": {}{}", device,
                                           rte_strerror(-error), open_advice(parts))};
        }
        dpdk_port = find(device);
        ours = true;
    }
    if (dpdk_port == kNoPort) {
        return base::Error{
            fmt::format("the device \"{}\" was found, but it is not an Ethernet device", device)};
    }
    std::unique_ptr<EthdevPort> port(new EthdevPort(dpdk_port, parts.kind()));
    port->ring_ = std::move(ring);
    port->probed_ = ours;
    for (const int fd : packet_sockets()) {
        if (std::ranges::find(sockets, fd) == sockets.end()) port->sockets_.push_back(fd);
    }
    for (std::uint16_t queue = 0; queue < options.queues; ++queue) {
        port->queues_.push_back(std::make_unique<EthdevQueue>(
            EthdevQueue::Options{.dpdk_port = dpdk_port,
                                 .queue = queue,
                                 .pool = pool,
                                 .id = id,
                                 .missed = queue == 0 ? &port->missed_ : nullptr}));
    }
    if (auto started = port->start(device); !started) return started.error();
    return port;
}

/// Pools of their own for the queues of a driver that needs larger buffers than ours, or keeps some for good.
int EthdevPort::make_landing(EthdevQueue& queue, int socket) const {
    // A burst, and what one lcore keeps.
    if (kind_ == DeviceKind::kAfPacket)
        return queue.make_landing(127, 32, ring_->sendable(), ring_->snap(), socket);
    // The kernel's rings of 2,048, which are not given back when the device is closed.
    if (kind_ == DeviceKind::kAfXdp)
        return queue.make_landing(8191, 256, port::kMbufDataSize, std::numeric_limits<std::uint32_t>::max(),
                                  socket);
    return 0;
}

base::Result<void> EthdevPort::start(const std::string& device) {
    const auto fail = [&](const char* step, int error) {
        return base::Error{fmt::format("device \"{}\": cannot {}: {}{}", device, step,
                                       rte_strerror(error < 0 ? -error : error),
                                       // This one makes its socket when it is started.
                                       kind_ == DeviceKind::kVhost ? open_advice(DeviceString(device)) : "")};
    };
    const int socket = rte_eth_dev_socket_id(port_);
    const auto queues = static_cast<std::uint16_t>(queues_.size());
    for (const auto& queue : queues_) {
        if (const int e = make_landing(*queue, socket); e != 0)
            return fail("allocate its receive buffers", e);
    }
    rte_eth_dev_info info{};
    if (const int e = rte_eth_dev_info_get(port_, &info); e != 0) return fail("ask what it can do", e);
    if (queues > info.max_rx_queues) {
        return base::Error{fmt::format(
            "the device \"{}\" has {} receive queue{}, not {}; write \"queues\": {}, or have the device make "
            "more",
            device, info.max_rx_queues, info.max_rx_queues == 1 ? "" : "s", queues, info.max_rx_queues)};
    }
    rte_eth_conf conf{};
    std::vector<std::uint8_t> key =
        symmetric_rss_key(info.hash_key_size == 0 ? kUsualKeySize : info.hash_key_size);
    rte_eth_rss_conf& rss = conf.rx_adv_conf.rss_conf;
    if (queues > 1 && rss_types(info.flow_type_rss_offloads) != 0) {
        conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
        rss = {.rss_key = key.data(),
               .rss_key_len = static_cast<std::uint8_t>(key.size()),
               .rss_hf = rss_types(info.flow_type_rss_offloads)};
    }
    // What is sent goes by the first; but some drivers want as many of both.
    const std::uint16_t outlets =
        kind_ == DeviceKind::kPci ? 1 : std::clamp<std::uint16_t>(info.max_tx_queues, 1, queues);
    conf.txmode.offloads = info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
    chains_ = conf.txmode.offloads != 0;
    if (const int e = rte_eth_dev_configure(port_, queues, outlets, &conf); e != 0)
        return fail("configure it", e);
    std::uint16_t rx = kDescriptors;
    std::uint16_t tx = kDescriptors;
    if (const int e = rte_eth_dev_adjust_nb_rx_tx_desc(port_, &rx, &tx); e != 0)
        return fail("size its queues", e);
    const auto node = static_cast<unsigned>(socket);
    for (std::uint16_t q = 0; q < queues; ++q) {
        if (const int e = rte_eth_rx_queue_setup(port_, q, rx, node, nullptr, queues_[q]->landing()); e != 0)
            return fail("set up its receive queues", e);
    }
    for (std::uint16_t q = 0; q < outlets; ++q) {
        if (const int e = rte_eth_tx_queue_setup(port_, q, tx, node, nullptr); e != 0)
            return fail("set up its transmit queue", e);
    }
    // DPDK sets an interface's flag to what it takes for ours when it starts: one that is set shall stay.
    if (ring_ && interface_state(ring_->iface).promiscuous) rte_eth_promiscuous_enable(port_);
    if (const int e = rte_eth_dev_start(port_); e != 0) return fail("start it", e);
    started_ = true;
    if (conf.rxmode.mq_mode == RTE_ETH_MQ_RX_RSS) {
        // Some drivers take the key here alone.
        (void)rte_eth_dev_rss_hash_update(port_, &rss);
        std::ranges::fill(key, std::uint8_t{0});
        const bool told = rte_eth_dev_rss_hash_conf_get(port_, &rss) == 0 && rss.rss_key != nullptr;
        rss_ = told ? rss_of(rss.rss_hf, key) : Rss::kAsymmetric;
    }
    if (ring_) {
        // The driver would set that flag, which outlives us. It is the interface's: one socket will do.
        if (sockets_.empty() || !listen_to_all(sockets_.front(), ring_->iface))
            return fail("make it promiscuous", errno);
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
    for (std::uint16_t q = 0; q < queues_.size(); ++q) drain(q, ring_->frame_count);
    for (const int fd : sockets_) (void)socket_drops(fd);
}

/// Frees what comes by a queue, so many packets and a burst at most.
void EthdevPort::drain(std::uint16_t queue, std::uint32_t packets) {
    std::array<rte_mbuf*, 64> burst;
    for (std::uint32_t done = 0; done < packets;) {
        const std::uint16_t n =
            rte_eth_rx_burst(port_, queue, burst.data(), static_cast<std::uint16_t>(burst.size()));
        if (n == 0) break;
        rte_pktmbuf_free_bulk(burst.data(), n);
        done += n;
    }
}

EthdevPort::~EthdevPort() {
    if (started_) {
        // A ring device keeps packets that nobody has read.
        for (std::uint16_t q = 0; q < queues_.size(); ++q) drain(q, 65'536);
        rte_eth_dev_stop(port_);
    }
    rte_eth_dev_info info{};
    const bool known = rte_eth_dev_info_get(port_, &info) == 0;
    rte_eth_dev_close(port_);
    // Else it could not be opened again under its name.
    if (known && (probed_ || kind_ == DeviceKind::kPci)) rte_dev_remove(info.device);
}

std::vector<port::RxQueue*> EthdevPort::queues() const {
    std::vector<port::RxQueue*> queues;
    for (const auto& queue : queues_) queues.push_back(queue.get());
    return queues;
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

}  // namespace yagura::ethdev
