// SPDX-License-Identifier: BSD-3-Clause
#include "broker/appliance.h"

#include <fmt/format.h>
#include <sys/random.h>
#include <time.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <set>
#include <string_view>
#include <vector>

#include "broker/eal.h"
#include "broker/interrupt.h"
#include "broker/policy_loader.h"
#include "broker/report.h"
#include "dataplane/pipeline.h"
#include "drivers/ethdev/ethdev.h"
#include "drivers/loop/loop.h"
#include "drivers/pcap/live_file.h"
#include "port/packet_pool.h"

namespace yagura::broker {
namespace {

constexpr std::string_view kLoop = "loop:";
constexpr std::string_view kPcap = "pcap:";
constexpr std::uint32_t kPackets = 65535;
/// Packets that were held, on their way to the tools.
constexpr std::uint32_t kReleased = 16383;

ExitStatus fail(ExitStatus status, const std::string& message) {
    fmt::print(stderr, "yagura run: {}{}", message, message.ends_with('\n') ? "" : "\n");
    return status;
}

bool is_pci_address(std::string_view device) {
    // "0000:3b:00.1", "3b:00.1"
    device = device.substr(0, device.find(','));
    return device.size() >= 7 && device[device.size() - 2] == '.' &&
           device.find(':') != std::string_view::npos &&
           device.find_first_not_of("0123456789abcdefABCDEF:.") == std::string_view::npos;
}

/// The open ports of an appliance. Tools are closed (and their files finished) by close_tools().
class Ports {
  public:
    base::Result<void> open(const rules::Config& config, rte_mempool* pool) {
        const auto fail = [](const rules::Port& port, const base::Error& error) {
            return base::Error{fmt::format("port \"{}\": {}", port.name, error.message)};
        };
        std::uint16_t id = 0;
        for (const rules::Port* port : config.network_ports()) {
            if (auto opened = open_network(*port, pool, base::PortId{id++}); !opened)
                return fail(*port, opened.error());
        }
        for (const rules::Port* port : config.tool_ports()) {
            if (auto opened = open_tool(*port, pool); !opened) return fail(*port, opened.error());
        }
        return {};
    }

    base::Result<void> close_tools() {
        base::Result<void> result;
        for (port::TxQueue* tool : tools) {
            if (auto closed = tool->close(); !closed) result = closed;
        }
        return result;
    }

    std::vector<port::RxQueue*> sources;
    std::vector<port::TxQueue*> tools;

  private:
    base::Result<void> open_network(const rules::Port& port, rte_mempool* pool, base::PortId id) {
        if (port.device.starts_with(kPcap)) {
            return base::Error{
                "a capture file cannot be a network port of a live run; use yagura replay, or the device "
                "net_pcap0,rx_pcap=FILE"};
        }
        if (port.device.starts_with(kLoop)) {
            auto device = loop::parse_loop_device(std::string_view(port.device).substr(kLoop.size()));
            if (!device) return device.error();
            // One lap is one packet of each flow.
            const std::uint64_t laps = (device->count + device->flows - 1) / device->flows;
            auto source = std::make_unique<loop::LoopSource>(loop::make_frames(*device, id), laps, pool);
            sources.push_back(source.get());
            rx_.push_back(std::move(source));
            return {};
        }
        auto opened = ethdev::EthdevPort::open(port.device, pool, id);
        if (!opened) return opened.error();
        sources.push_back(opened->get());
        ethdevs_.push_back(std::move(opened).value());
        return {};
    }

    base::Result<void> open_tool(const rules::Port& port, rte_mempool* pool) {
        if (port.device.starts_with(kPcap)) {
            std::error_code error;
            const auto path = std::filesystem::weakly_canonical(port.device.substr(kPcap.size()), error);
            if (!files_.insert(path).second) {
                return base::Error{fmt::format(
                    "{} is another tool's file already; give each a file of its own", path.string())};
            }
            auto file = pcap::LiveFile::create(port.device.substr(kPcap.size()), net::LinkType::kEthernet);
            if (!file) return file.error();
            tools.push_back(file->get());
            tx_.push_back(std::move(file).value());
            return {};
        }
        if (port.device.starts_with(kLoop)) {
            tx_.push_back(std::make_unique<loop::LoopSink>());
            tools.push_back(tx_.back().get());
            return {};
        }
        auto opened = ethdev::EthdevPort::open(port.device, pool, base::PortId{});
        if (!opened) return opened.error();
        tools.push_back(opened->get());
        ethdevs_.push_back(std::move(opened).value());
        return {};
    }

    std::set<std::filesystem::path> files_;
    std::vector<std::unique_ptr<port::RxQueue>> rx_;
    std::vector<std::unique_ptr<port::TxQueue>> tx_;
    std::vector<std::unique_ptr<ethdev::EthdevPort>> ethdevs_;
};

std::uint64_t random_seed() {
    std::uint64_t seed = 0;
    if (getrandom(&seed, sizeof seed, 0) != sizeof seed) seed = static_cast<std::uint64_t>(time(nullptr));
    return seed;
}

void wait_for_end(const dataplane::Pipeline& pipeline, const RunOptions& options) {
    const auto begin = std::chrono::steady_clock::now();
    while (!interrupted() && !pipeline.drained()) {
        if (options.duration && std::chrono::steady_clock::now() - begin >= *options.duration) break;
        const timespec pause{.tv_sec = 0, .tv_nsec = 5'000'000};
        nanosleep(&pause, nullptr);
    }
}

}  // namespace

ExitStatus run(const RunOptions& options) {
    LoadedConfig loaded = compile_config(read_config(options.config), net::LinkType::kEthernet);
    if (loaded.config.inspect.hold_bytes == rules::Inspect::kUnlimited) {
        loaded.errors.push_back({"/inspect/hold_bytes",
                                 "\"unlimited\" needs the disk, and is for yagura replay",
                                 "write how much of a flow memory may hold: \"64KiB\""});
    }
    if (!loaded.ok()) return fail(ExitStatus::kUsage, error_report(options.config, loaded.errors));
    const std::vector<unsigned> cpus = dataplane::usable_cpus();
    const auto planned = plan_lcores(loaded.config.lcores, options.lcores, cpus);
    if (!planned) return fail(ExitStatus::kUsage, planned.error().message);
    const dataplane::LcorePlan& plan = *planned;

    // What lcores and capture writers may keep must not be missing on the network ports.
    const auto writers = std::ranges::count_if(loaded.config.ports, [](const rules::Port& port) {
        return port.role == rules::PortRole::kTool && port.device.starts_with(kPcap);
    });
    const std::uint32_t kept = static_cast<std::uint32_t>(plan.lcores.size()) * port::kPoolCachePerLcore +
                               static_cast<std::uint32_t>(writers) * pcap::LiveFileOptions{}.capacity;
    const std::uint32_t packets = kPackets + kept;
    const std::uint32_t released = kReleased + kept;
    const unsigned pool_mib = port::pool_memory_mib(packets) + port::pool_memory_mib(released);
    const unsigned free_mib = free_hugepages_mib();
    EalOptions eal{.lcores = plan.eal_lcores(cpus),
                   .memory_mib = pool_mib,
                   .hugepages = free_mib >= pool_mib,
                   .pci = {}};
    for (const rules::Port& port : loaded.config.ports) {
        if (is_pci_address(port.device)) eal.pci.push_back(port.device);
    }
    if (!eal.hugepages) {
        fmt::print(stderr,
                   "note: {} MiB of hugepages are free, {} are needed: running with ordinary memory, which "
                   "costs speed\n",
                   free_mib, pool_mib);
    }
    if (auto started = start_eal(eal); !started) return fail(ExitStatus::kUsage, started.error().message);
    auto pool = port::PacketPool::create("packets", packets);
    if (!pool) return fail(ExitStatus::kUsage, pool.error().message);
    auto release_pool = port::PacketPool::create("released", released);
    if (!release_pool) return fail(ExitStatus::kUsage, release_pool.error().message);

    auto ports = std::make_unique<Ports>();
    if (auto opened = ports->open(loaded.config, (*pool)->get()); !opened) {
        return fail(ExitStatus::kUsage, opened.error().message);
    }
    auto pipeline =
        dataplane::Pipeline::create({.plan = plan,
                                     .sources = ports->sources,
                                     .tools = ports->tools,
                                     .ports = ports->sources.size(),
                                     .policy = select::make_policy(loaded.config, loaded.compiled),
                                     .pressure = dataplane::Pressure::kDrop,
                                     .inspect = loaded.config.inspect,
                                     .hash_seed = random_seed(),
                                     .keep_details = false,
                                     .release_pool = (*release_pool)->get()});
    if (!pipeline) return fail(ExitStatus::kUsage, pipeline.error().message);

    catch_interrupts();
    if (auto started = (*pipeline)->start(); !started)
        return fail(ExitStatus::kUsage, started.error().message);
    fmt::print(stderr, "yagura run: {} network ports, {} tool ports, lcores {}\n", ports->sources.size(),
               ports->tools.size(), plan.to_string());
    wait_for_end(**pipeline, options);

    (*pipeline)->stop_sources();
    while (!(*pipeline)->drained()) {
        const timespec pause{.tv_sec = 0, .tv_nsec = 1'000'000};
        nanosleep(&pause, nullptr);
    }
    (*pipeline)->stop();
    ExitStatus status = ExitStatus::kOk;
    if (auto closed = ports->close_tools(); !closed) status = fail(ExitStatus::kLoss, closed.error().message);
    const dataplane::Stats stats = (*pipeline)->stats();
    pipeline->reset();
    ports.reset();
    const bool balanced = stats.balanced() && (*pool)->whole() && (*release_pool)->whole();
    fmt::print("{}", summary(stats, loaded.config, balanced));
    fmt::print(stderr, "{}", exhaustion_warnings(stats, loaded.config));
    if (!balanced || stats.lost() != 0) status = ExitStatus::kLoss;
    return status;
}

}  // namespace yagura::broker
