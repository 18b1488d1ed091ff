// SPDX-License-Identifier: BSD-3-Clause
#include "broker/live.h"

#include <fmt/format.h>

#include <algorithm>

#include "broker/eal.h"
#include "broker/repeated_captures.h"
#include "drivers/ethdev/device_string.h"
#include "drivers/ethdev/ethdev.h"
#include "drivers/pcap/live_file.h"

namespace yagura::broker {
namespace {

constexpr std::uint32_t kPackets = 65535;
/// Packets that were held, on their way to the tools.
constexpr std::uint32_t kReleased = 16383;

}  // namespace

LoadedConfig load_live_config(const std::string& path) {
    LoadedConfig loaded = compile_config(read_config(path), net::LinkType::kEthernet);
    if (loaded.config.inspect.hold_bytes == rules::Inspect::kUnlimited) {
        loaded.errors.push_back({"/inspect/hold_bytes",
                                 "\"unlimited\" needs the disk, and is for yagura replay",
                                 "write how much of a flow memory may hold: \"64KiB\""});
    }
    return loaded;
}

base::Result<LiveEnvironment> start_live(const rules::Config& config, const dataplane::LcorePlan& plan,
                                         const std::vector<unsigned>& cpus, const LiveExtra& extra) {
    // What lcores and capture writers may keep must not be missing on the network ports.
    const auto writers = std::ranges::count_if(config.ports, [](const rules::Port& port) {
        return port.role == rules::PortRole::kTool && port.device.starts_with("pcap:");
    });
    const std::uint32_t kept = static_cast<std::uint32_t>(plan.lcores.size()) * port::kPoolCachePerLcore +
                               static_cast<std::uint32_t>(writers) * pcap::LiveFileOptions{}.capacity;
    std::uint32_t packets = kPackets + kept + extra.packets;
    for (const rules::Port* port : config.network_ports()) packets += packets_kept_by(port->device);
    const std::uint32_t released = kReleased + kept;
    unsigned memory_mib = port::pool_memory_mib(packets) + port::pool_memory_mib(released) + extra.memory_mib;
    for (const rules::Port& port : config.ports) memory_mib += ethdev::EthdevPort::memory_mib(port.device);
    const unsigned free_mib = free_hugepages_mib();
    EalOptions eal{.lcores = plan.eal_lcores(cpus),
                   .memory_mib = memory_mib,
                   .hugepages = free_mib >= memory_mib,
                   .pci = {}};
    for (const rules::Port& port : config.ports) {
        const ethdev::DeviceKind kind = ethdev::DeviceString(port.device).kind();
        if (kind == ethdev::DeviceKind::kPci) eal.pci.push_back(port.device);
        eal.one_segment |= kind == ethdev::DeviceKind::kVhost || kind == ethdev::DeviceKind::kVirtioUser;
    }
    if (!eal.hugepages) {
        fmt::print(stderr,
                   "note: {} MiB of hugepages are free, {} are needed: running with ordinary memory, which "
                   "costs speed\n",
                   free_mib, memory_mib);
    }
    if (auto started = start_eal(eal); !started) return started.error();
    LiveEnvironment environment;
    auto pool = port::PacketPool::create("packets", packets);
    if (!pool) return pool.error();
    environment.pool = std::move(*pool);
    auto release_pool = port::PacketPool::create("released", released);
    if (!release_pool) return release_pool.error();
    environment.release_pool = std::move(*release_pool);
    return environment;
}

}  // namespace yagura::broker
