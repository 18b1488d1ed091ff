// SPDX-License-Identifier: BSD-3-Clause
#include "drivers/ethdev/open_advice.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace yagura::ethdev {
namespace {

/// Files that net_pcap reads.
std::string advice_on_captures(const DeviceString& device) {
    const auto path = device.argument("rx_pcap");
    if (path && access(std::string(*path).c_str(), R_OK) != 0)
        return fmt::format("; rx_pcap={}: {}", *path, std::strerror(errno));
    for (const char* key : {"rx_pcap", "tx_pcap", "rx_iface", "rx_iface_in", "tx_iface", "iface"}) {
        if (device.argument(key)) return {};
    }
    return "; write rx_pcap=FILE or tx_pcap=FILE";
}

/// The folder in which a driver makes its socket.
std::string advice_on_socket(const DeviceString& device, const char* key) {
    const std::string path(device.argument(key).value_or(""));
    if (path.empty()) return fmt::format("; write {}= and the path of its socket", key);
    const std::size_t slash = path.rfind('/');
    const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
    if (access(folder.c_str(), W_OK | X_OK) != 0)
        return fmt::format("; no socket can be made in {}: {}", folder, std::strerror(errno));
    return {};
}

}  // namespace

std::string refusal_of(const DeviceString& device, unsigned room) {
    const bool is_null = device.name().starts_with("net_null") || device.name().starts_with("eth_null");
    const auto size = is_null ? device.argument("size") : std::nullopt;
    if (!size) return {};
    // As the driver reads it: 0x40 is a number, too.
    if (std::strtoul(std::string(*size).c_str(), nullptr, 0) <= room) return {};
    return fmt::format("size={}: its frames must fit a buffer; write size={} or less", *size, room);
}

std::string open_advice(const DeviceString& device) {
    switch (device.kind()) {
        case DeviceKind::kOther:
            return "; devices are PCI addresses (0000:3b:00.0) and what begins with net_af_packet, "
                   "net_af_xdp, "
                   "net_memif, net_null, net_pcap, net_ring, net_tap, net_vhost or net_virtio_user, or has a "
                   "driver "
                   "of its own in DPDK";
        case DeviceKind::kPci:
            return "; yagura doctor says which driver it is bound to";
        case DeviceKind::kVhost:
            return advice_on_socket(device, "iface");
        case DeviceKind::kMemory:
            return device.name().substr(4).starts_with("pcap") ? advice_on_captures(device) : "";
        default:
            return {};
    }
}

}  // namespace yagura::ethdev
