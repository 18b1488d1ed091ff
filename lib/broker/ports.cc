// SPDX-License-Identifier: BSD-3-Clause
#include "broker/ports.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

#include "base/diagnostics.h"
#include "drivers/ethdev/ethdev.h"
#include "drivers/loop/loop.h"
#include "drivers/pcap/live_file.h"

namespace yagura::broker {
namespace {

constexpr std::string_view kLoop = "loop:";
constexpr std::string_view kPcap = "pcap:";

base::Error error_of(const rules::Port& port, const base::Error& error) {
    return base::Error{fmt::format("port \"{}\": {}", port.name, error.message)};
}

/// Of a capture file.
std::filesystem::path file_of(const rules::Port& port) {
    if (!port.device.starts_with(kPcap)) return {};
    std::error_code error;
    return std::filesystem::weakly_canonical(port.device.substr(kPcap.size()), error);
}

/// Somebody else is at the other end, who sends and receives. Files, rings and nothing at all are not.
bool talks(const std::string& device) {
    const ethdev::DeviceString parts(device);
    for (const std::string_view mute : {"net_pcap", "net_null", "net_ring"}) {
        if (parts.name().starts_with(mute)) return false;
    }
    return true;
}

base::Result<void> open_network(OpenPort& open, rte_mempool* pool) {
    const rules::Port& port = open.port;
    const base::PortId id{port.place};
    if (port.device.starts_with(kPcap)) {
        return base::Error{
            "a capture file cannot be a network port of a live run; use yagura replay, or the device "
            "net_pcap0,rx_pcap=FILE"};
    }
    if (port.device.starts_with(kLoop)) {
        if (port.queues != 1) return base::Error{"a loop: device has one queue; leave \"queues\" out"};
        auto device = loop::parse_loop_device(std::string_view(port.device).substr(kLoop.size()));
        if (!device) return device.error();
        // One lap is one packet of each flow.
        const std::uint64_t laps = (device->count + device->flows - 1) / device->flows;
        open.own_queues.push_back(std::make_unique<loop::LoopSource>(
            loop::make_frames(*device, id), laps, pool, loop::LoopSource::Clock::kReception));
        open.queues = {open.own_queues.back().get()};
        return {};
    }
    auto device =
        ethdev::EthdevPort::open(port.device, pool, id, {.queues = static_cast<std::uint16_t>(port.queues)});
    if (!device) return device.error();
    open.device = std::move(device).value();
    open.queues = open.device->queues();
    if (talks(port.device)) open.inject = open.device.get();
    return {};
}

base::Result<void> open_tool(OpenPort& open, rte_mempool* pool) {
    const rules::Port& port = open.port;
    if (port.device.starts_with(kPcap)) {
        auto file = pcap::LiveFile::create(port.device.substr(kPcap.size()), net::LinkType::kEthernet);
        if (!file) return file.error();
        open.own_tool = std::move(file).value();
        open.tool = open.own_tool.get();
        open.file = file_of(port);
        return {};
    }
    if (port.device.starts_with(kLoop)) {
        open.own_tool = std::make_unique<loop::LoopSink>();
        open.tool = open.own_tool.get();
        return {};
    }
    auto device = ethdev::EthdevPort::open(port.device, pool, base::PortId{},
                                           {.socket_frames = ethdev::EthdevPort::kToolFrames});
    if (!device) return device.error();
    open.device = std::move(device).value();
    open.tool = open.device.get();
    if (talks(port.device)) open.feedback = &open.device->queue(0);
    return {};
}

}  // namespace

OpenPort::OpenPort() = default;
OpenPort::~OpenPort() = default;
OpenPort::OpenPort(OpenPort&&) noexcept = default;
OpenPort& OpenPort::operator=(OpenPort&&) noexcept = default;

base::Result<OpenPort> open_port(const rules::Port& port, rte_mempool* pool) {
    OpenPort open;
    open.port = port;
    const bool network = port.role == rules::PortRole::kNetwork;
    if (auto opened = network ? open_network(open, pool) : open_tool(open, pool); !opened)
        return error_of(port, opened.error());
    if (open.device != nullptr) {
        if (const std::string choices = open.device->choices(); !choices.empty())
            base::diagnose("yagura: port \"{}\": {}\n", port.name, choices);
    }
    return open;
}

base::Result<void> Ports::open(const rules::Config& config, rte_mempool* pool) {
    for (const rules::Port* port : config.network_ports()) {
        auto opened = open_port(*port, pool);
        if (!opened) return opened.error();
        add(std::move(opened).value());
        if (port->link.empty() || config.other_end(*port) != nullptr) continue;
        base::diagnose("yagura: warning: the link \"{}\" has one direction only, port \"{}\"\n", port->link,
                       port->name);
    }
    return open_tools(config, pool);
}

base::Result<void> Ports::open_tools(const rules::Config& config, rte_mempool* pool) {
    for (const rules::Port* port : config.tool_ports()) {
        if (const auto owner = owner_of_file(*port)) {
            return error_of(*port,
                            base::Error{fmt::format("{} is the file of port \"{}\" already; give each a "
                                                    "file of its own",
                                                    file_of(*port).string(), *owner)});
        }
        auto opened = open_port(*port, pool);
        if (!opened) return opened.error();
        add(std::move(opened).value());
    }
    return {};
}

std::optional<std::string> Ports::owner_of_file(const rules::Port& port) const {
    const std::filesystem::path file = file_of(port);
    if (file.empty()) return std::nullopt;
    const auto owner = std::ranges::find(ports_, file, &OpenPort::file);
    return owner == ports_.end() ? std::nullopt : std::optional(owner->port.name);
}

OpenPort Ports::take(std::string_view name) {
    const auto found =
        std::ranges::find_if(ports_, [name](const OpenPort& open) { return open.port.name == name; });
    OpenPort taken = std::move(*found);
    ports_.erase(found);
    return taken;
}

std::vector<std::string> Ports::look() {
    std::vector<std::string> lines;
    for (OpenPort& open : ports_) {
        if (open.device == nullptr) continue;
        const std::string news = open.device->look();
        if (!news.empty()) lines.push_back(fmt::format("port \"{}\": {}", open.port.name, news));
    }
    return lines;
}

std::uint64_t Ports::down_tools() const {
    std::uint64_t down = 0;
    for (const OpenPort& open : ports_) {
        if (open.tool != nullptr) down |= std::uint64_t{open.tool->is_down()} << open.port.place;
    }
    return down;
}

std::vector<std::string> Ports::down_networks() const {
    std::vector<std::string> names;
    for (const OpenPort& open : ports_) {
        if (open.tool == nullptr && open.device != nullptr && open.device->is_down())
            names.push_back(open.port.name);
    }
    return names;
}

base::Result<void> Ports::close_tools() {
    base::Result<void> result;
    for (const OpenPort& open : ports_) {
        if (open.tool == nullptr) continue;
        if (auto closed = open.tool->close(); !closed) result = closed;
    }
    return result;
}

std::vector<port::RxQueue*> Ports::sources() const {
    std::vector<port::RxQueue*> sources;
    for (const OpenPort& open : ports_) sources.insert(sources.end(), open.queues.begin(), open.queues.end());
    return sources;
}

std::vector<dataplane::SourcePlace> Ports::places() const {
    std::vector<dataplane::SourcePlace> places;
    std::size_t lanes = 0;
    std::map<std::pair<std::string, std::size_t>, std::size_t> of_links;
    for (const OpenPort& open : ports_) {
        for (std::size_t queue = 0; queue < open.queues.size(); ++queue) {
            std::size_t lane = lanes;
            // Both directions of a flow come by queues of the same number when the devices hash alike.
            if (!open.port.link.empty())
                lane = of_links.try_emplace({open.port.link, queue}, lanes).first->second;
            if (lane == lanes) ++lanes;
            places.push_back({base::PortId{open.port.place}, lane});
        }
    }
    return places;
}

std::vector<port::TxQueue*> Ports::tools() const {
    std::vector<port::TxQueue*> tools;
    for (const OpenPort& open : ports_) {
        if (open.tool != nullptr) tools.push_back(open.tool);
    }
    return tools;
}

dataplane::InjectPort inject_of(const OpenPort& open, const rules::Config& config) {
    dataplane::InjectPort inject{.queue = open.inject};
    const rules::Port* const other = open.port.inject.empty() ? nullptr : config.port(open.port.inject);
    if (other != nullptr) inject.other = base::PortId{other->place};
    if (open.port.route)
        inject.link =
            reset::LinkAddresses{.own = open.port.route->own_mac, .next_hop = open.port.route->next_hop};
    return inject;
}

std::vector<dataplane::InjectPort> Ports::injects(const rules::Config& config) const {
    std::vector<dataplane::InjectPort> injects;
    for (const OpenPort& open : ports_) {
        if (open.tool == nullptr) injects.push_back(inject_of(open, config));
    }
    return injects;
}

std::vector<port::RxQueue*> Ports::feedbacks() const {
    std::vector<port::RxQueue*> feedbacks;
    for (const OpenPort& open : ports_) {
        if (open.tool != nullptr) feedbacks.push_back(open.feedback);
    }
    return feedbacks;
}

std::size_t Ports::network_ports() const {
    return static_cast<std::size_t>(
        std::ranges::count_if(ports_, [](const OpenPort& open) { return open.tool == nullptr; }));
}

}  // namespace yagura::broker
