// SPDX-License-Identifier: BSD-3-Clause
// What may change about a device while it runs: its link, and how long a frame it takes.
#include <fmt/format.h>
#include <rte_ethdev.h>
#include <rte_ether.h>

#include <algorithm>
#include <limits>

#include "drivers/ethdev/ethdev.h"
#include "port/packet_pool.h"

namespace yagura::ethdev {
namespace {

constexpr std::uint32_t kAnyLength = std::numeric_limits<std::uint32_t>::max();

/// The driver of such a device refuses, or loses, what is longer than its MTU says.
bool heeds_mtu(DeviceKind kind) {
    return kind == DeviceKind::kPci || kind == DeviceKind::kAfXdp || kind == DeviceKind::kTap;
}

/// net_virtio_user writes two lines to the log each time that it is asked while its other end is gone.
constexpr unsigned kLooksBetween = 25;

/// Its link is that of a cable, an interface or somebody at a socket; others have none.
bool has_link(DeviceKind kind) {
    return kind != DeviceKind::kMemory && kind != DeviceKind::kOther;
}

}  // namespace

std::string EthdevPort::look() {
    rte_eth_stats stats;
    if (ring_) {
        for (const int fd : sockets_) missed_.add(socket_drops(fd));
    } else if (rte_eth_stats_get(port_, &stats) == 0) {
        missed_.add(stats.imissed - missed_.get());
    }
    const std::string now = ring_ ? look_at_interface() : look_at_device();
    if (now == looked_) return {};
    looked_ = now;
    return now;
}

std::string EthdevPort::look_at_interface() {
    const InterfaceState state = interface_state(ring_->iface);
    const unsigned opened = interface_.index == 0 ? state.index : interface_.index;
    const bool lost = state.index == 0 || state.index != opened;
    interface_.index = opened;
    // The kernel would tell of the time before with the next burst, and send it all the same.
    if (!interface_.up && state.up) {
        for (const int fd : sockets_) forget_error(fd);
    }
    interface_.up = state.up && !lost;
    // The kernel drops longer ones, with nothing but a tag beyond it, and tells nobody. Of a link that is
    // down every frame is lost for that alone.
    const std::uint32_t framed = std::min(ring_->sendable(), state.mtu + RTE_ETHER_HDR_LEN);
    largest_.store(interface_.up ? framed : kAnyLength, std::memory_order_relaxed);
    down_.store(!interface_.up, std::memory_order_relaxed);
    if (lost) {
        return fmt::format("the interface {} that it was opened on is gone{}: restart yagura {}",
                           ring_->iface, state.index == 0 ? "" : ", this is another one of that name",
                           state.index == 0 ? "when it is back" : "to use it");
    }
    return fmt::format("link {}, MTU {}", state.up ? "up" : "down", state.mtu);
}

std::string EthdevPort::look_at_device() {
    if (kind_ == DeviceKind::kVirtioUser && looks_++ % kLooksBetween != 0) return looked_;
    rte_eth_link link{};
    if (rte_eth_link_get_nowait(port_, &link) != 0) return "link unknown";
    down_.store(has_link(kind_) && link.link_status == RTE_ETH_LINK_DOWN, std::memory_order_relaxed);
    const char* state = link.link_status == RTE_ETH_LINK_DOWN ? "link down" : "link up";
    std::uint16_t mtu = 0;
    if (!heeds_mtu(kind_) || rte_eth_dev_get_mtu(port_, &mtu) != 0) return state;
    const std::uint32_t framed = std::uint32_t{mtu} + RTE_ETHER_HDR_LEN + 2 * RTE_VLAN_HLEN;
    largest_.store(std::min(framed, chains_ ? kAnyLength : port::kMbufDataSize), std::memory_order_relaxed);
    if (kind_ != DeviceKind::kPci || link.link_status == RTE_ETH_LINK_DOWN) {
        return fmt::format("{}, MTU {}", state, mtu);
    }
    return fmt::format("{}, {} Mbit/s, MTU {}", state, link.link_speed, mtu);
}

bool EthdevPort::too_large(const rte_mbuf* packet) const {
    if (!ring_ || rte_pktmbuf_pkt_len(packet) > ring_->sendable()) return true;
    const auto* header = rte_pktmbuf_mtod(packet, const rte_ether_hdr*);
    const bool tagged = header->ether_type == rte_cpu_to_be_16(RTE_ETHER_TYPE_VLAN);
    return rte_pktmbuf_pkt_len(packet) > largest_frame() + (tagged ? RTE_VLAN_HLEN : 0u);
}

std::string EthdevPort::choices() const {
    std::string text;
    if (queues_.size() > 1) text = fmt::format("{} receive queues, {}", queues_.size(), rss_text(rss_));
    if (!ring_) return text;
    return text +
           fmt::format(
               "{}frames of up to {} bytes are received whole; {} slots of {} bytes each way{}, {} MiB",
               text.empty() ? "" : "; ", ring_->snap(), ring_->frame_count, ring_->frame_size,
               queues_.size() > 1 ? " of each" : "", ring_->memory_mib());
}

}  // namespace yagura::ethdev
