// SPDX-License-Identifier: BSD-3-Clause
#include "broker/ports.h"

#include <fmt/format.h>

#include <string_view>

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

}  // namespace

Ports::Ports() = default;
Ports::~Ports() = default;

base::Result<void> Ports::open(const rules::Config& config, rte_mempool* pool) {
    std::uint16_t id = 0;
    for (const rules::Port* port : config.network_ports()) {
        if (auto opened = open_network(*port, pool, base::PortId{id++}); !opened) {
            return error_of(*port, opened.error());
        }
    }
    return open_tools(config, pool);
}

base::Result<void> Ports::open_tools(const rules::Config& config, rte_mempool* pool) {
    for (const rules::Port* port : config.tool_ports()) {
        if (auto opened = open_tool(*port, pool); !opened) return error_of(*port, opened.error());
    }
    return {};
}

std::vector<std::string> Ports::look() {
    std::vector<std::string> lines;
    for (Device& device : devices_) {
        const std::string news = device.device->look();
        if (!news.empty()) lines.push_back(fmt::format("port \"{}\": {}", device.port, news));
    }
    return lines;
}

base::Result<void> Ports::close_tools() {
    base::Result<void> result;
    for (port::TxQueue* tool : tools_) {
        if (auto closed = tool->close(); !closed) result = closed;
    }
    return result;
}

base::Result<void> Ports::open_network(const rules::Port& port, rte_mempool* pool, base::PortId id) {
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
        sources_.push_back(source.get());
        rx_.push_back(std::move(source));
        return {};
    }
    auto opened = ethdev::EthdevPort::open(port.device, pool, id);
    if (!opened) return opened.error();
    sources_.push_back(opened->get());
    keep(port, std::move(opened).value());
    return {};
}

base::Result<void> Ports::open_tool(const rules::Port& port, rte_mempool* pool) {
    if (port.device.starts_with(kPcap)) {
        std::error_code error;
        const auto path = std::filesystem::weakly_canonical(port.device.substr(kPcap.size()), error);
        if (!files_.insert(path).second) {
            return base::Error{
                fmt::format("{} is another tool's file already; give each a file of its own", path.string())};
        }
        auto file = pcap::LiveFile::create(port.device.substr(kPcap.size()), net::LinkType::kEthernet);
        if (!file) return file.error();
        tools_.push_back(file->get());
        tx_.push_back(std::move(file).value());
        return {};
    }
    if (port.device.starts_with(kLoop)) {
        tx_.push_back(std::make_unique<loop::LoopSink>());
        tools_.push_back(tx_.back().get());
        return {};
    }
    auto opened =
        ethdev::EthdevPort::open(port.device, pool, base::PortId{}, ethdev::EthdevPort::kToolFrames);
    if (!opened) return opened.error();
    tools_.push_back(opened->get());
    keep(port, std::move(opened).value());
    return {};
}

void Ports::keep(const rules::Port& port, std::unique_ptr<ethdev::EthdevPort> device) {
    if (const std::string choices = device->choices(); !choices.empty()) {
        fmt::print(stderr, "yagura: port \"{}\": {}\n", port.name, choices);
    }
    devices_.push_back({port.name, std::move(device)});
}

}  // namespace yagura::broker
