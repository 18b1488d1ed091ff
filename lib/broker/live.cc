// SPDX-License-Identifier: BSD-3-Clause
#include "broker/live.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <string_view>
#include <utility>

#include "base/diagnostics.h"
#include "broker/eal.h"
#include "broker/repeated_captures.h"
#include "dataplane/pipeline.h"
#include "drivers/ethdev/device_string.h"
#include "drivers/ethdev/ethdev.h"
#include "drivers/pcap/live_file.h"

namespace yagura::broker {
namespace {

constexpr std::uint32_t kPackets = 65535;
/// What a device may keep in a receive queue, from the second on.
constexpr std::uint32_t kQueuePackets = 1024;
/// Packets that were held, on their way to the tools.
constexpr std::uint32_t kReleased = 16383;
/// Frames of our own, on their way to the network ports.
constexpr std::uint32_t kInjected = 8191;

/// Of a tool with a rate, unless its queue says something else: what may wait, but not less than that.
constexpr std::chrono::milliseconds kQueueTime{250};
constexpr std::uint64_t kQueueBytes = 256 * 1024;
/// Even of a slow tool with a short queue: a few large packets.
constexpr std::uint64_t kLeastQueueBytes = 16 * 1024;

}  // namespace

dataplane::ToolLimit limit_of(const rules::Port& tool) {
    if (!tool.rate_bits_per_second && !tool.queue) return {};
    const rules::QueueBound bound = tool.queue.value_or(rules::QueueBound{});
    dataplane::ToolLimit limit{.rate = tool.rate_bits_per_second.value_or(0), .queue_packets = bound.packets};
    if (limit.rate == 0) return limit;
    using Seconds = std::chrono::duration<double>;
    const double bytes =
        static_cast<double>(limit.rate) / 8 * Seconds(bound.time.value_or(kQueueTime)).count();
    constexpr double kMost = 1e18;
    limit.queue_bytes = std::max(static_cast<std::uint64_t>(std::min(bytes, kMost)),
                                 bound.time ? kLeastQueueBytes : kQueueBytes);
    return limit;
}

LoadedConfig compile_live_config(rules::ConfigOutcome outcome, match::DatabaseSource* source) {
    LoadedConfig loaded = compile_config(std::move(outcome), net::LinkType::kEthernet, source);
    if (loaded.config.inspect.hold_bytes == rules::Inspect::kUnlimited) {
        loaded.errors.push_back({"/inspect/hold_bytes",
                                 "\"unlimited\" needs the disk, and is for yagura replay",
                                 "write how much of a flow memory may hold: \"64KiB\""});
    }
    return loaded;
}

LoadedConfig load_live_config(const std::string& path) {
    return compile_live_config(read_config(path));
}

LiveMemory live_memory(const rules::Config& config, std::size_t lcores, const LiveExtra& extra) {
    // What lcores and capture writers may keep must not be missing on the network ports.
    const auto writers = std::ranges::count_if(config.ports, [](const rules::Port& port) {
        return port.role == rules::PortRole::kTool && port.device.starts_with("pcap:");
    });
    const std::uint32_t kept = static_cast<std::uint32_t>(lcores) * port::kPoolCachePerLcore +
                               static_cast<std::uint32_t>(writers) * pcap::LiveFileOptions{}.capacity;
    // A tool that is offered more than its rate keeps its queue full.
    std::uint32_t waiting = 0;
    for (const rules::Port& port : config.ports) {
        const dataplane::ToolLimit limit = limit_of(port);
        if (limit.limits()) waiting += limit.queue_packets + dataplane::kMaxBurst;
    }
    LiveMemory memory{.packets = kPackets + kept + waiting + extra.packets,
                      .released = kReleased + kept + waiting};
    for (const rules::Port* port : config.network_ports()) {
        memory.packets += packets_kept_by(port->device) + (port->queues - 1) * kQueuePackets;
    }
    memory.mib =
        port::pool_memory_mib(memory.packets) + port::pool_memory_mib(memory.released) + extra.memory_mib;
    if (config.response.enabled) {
        memory.injected = kInjected + static_cast<std::uint32_t>(lcores) * port::kPoolCachePerLcore;
        memory.mib += port::pool_memory_mib(memory.injected);
    }
    for (const rules::Port& port : config.ports)
        memory.mib += ethdev::EthdevPort::memory_mib(port.device, port.queues);
    for (const std::string& kind : config.hotplug)
        memory.mib += kHotplugDevices * ethdev::EthdevPort::memory_mib(kind, 1);
    return memory;
}

bool pool_suffices(std::uint32_t packets, const rules::Config& config, std::size_t lcores) {
    return live_memory(config, lcores, {}).packets <= packets + kPackets / 2;
}

doctor::Task live_task(const rules::Config& config, const dataplane::LcorePlan& plan,
                       const std::string& path) {
    doctor::Task task{
        .ports = config.ports, .memory_mib = live_memory(config, plan.lcores.size(), {}).mib, .config = path};
    if (config.control) {
        task.control_files.emplace_back("control socket", config.control->socket);
        if (config.audit.enabled) {
            task.control_files.emplace_back("audit log", config.audit.file);
            task.control_files.emplace_back("audit key", config.audit.key);
            task.control_files.emplace_back("audit head", config.audit.head.file);
        }
    }
    for (const auto& lcore : plan.lcores) task.cpus.push_back(lcore.cpu);
    std::ranges::sort(task.cpus);
    task.cpus.erase(std::ranges::unique(task.cpus).begin(), task.cpus.end());
    return task;
}

base::Result<LiveEnvironment> start_live(const rules::Config& config, const dataplane::LcorePlan& plan,
                                         const std::vector<unsigned>& cpus, const LiveExtra& extra) {
    const LiveMemory memory = live_memory(config, plan.lcores.size(), extra);
    const unsigned free_mib = free_hugepages_mib();
    EalOptions eal{.lcores = plan.eal_lcores(cpus),
                   .memory_mib = memory.mib,
                   .hugepages = free_mib >= memory.mib,
                   .telemetry = extra.telemetry,
                   .pci = {}};
    for (const rules::Port& port : config.ports) {
        const ethdev::DeviceKind kind = ethdev::DeviceString(port.device).kind();
        if (kind == ethdev::DeviceKind::kPci) eal.pci.push_back(port.device);
        eal.one_segment |= kind == ethdev::DeviceKind::kVhost || kind == ethdev::DeviceKind::kVirtioUser;
    }
    for (const std::string& kind : config.hotplug) {
        eal.pci_later |= kind == "pci";
        eal.one_segment |= kind == "net_vhost" || kind == "net_virtio_user";
    }
    if (!eal.hugepages) {
        doctor::Findings findings;
        doctor::Task task = live_task(config, plan, "");
        task.memory_mib = memory.mib;
        check_hugepages(doctor::Host(), task, findings);
        for (const doctor::Finding& finding : findings) {
            base::diagnose("note: hugepages, {}: {}; {}; to mend it: {}\n", finding.subject, finding.found,
                           finding.means, finding.fix);
        }
    }
    if (auto started = start_eal(eal); !started) return started.error();
    LiveEnvironment environment;
    environment.hugepages = eal.hugepages;
    auto pool = port::PacketPool::create("packets", memory.packets);
    if (!pool) return pool.error();
    environment.pool = std::move(*pool);
    auto release_pool = port::PacketPool::create("released", memory.released);
    if (!release_pool) return release_pool.error();
    environment.release_pool = std::move(*release_pool);
    if (memory.injected != 0) {
        auto inject_pool = port::PacketPool::create("injected", memory.injected);
        if (!inject_pool) return inject_pool.error();
        environment.inject_pool = std::move(*inject_pool);
    }
    return environment;
}

}  // namespace yagura::broker
