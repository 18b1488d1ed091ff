// SPDX-License-Identifier: BSD-3-Clause
#include "broker/replay_inputs.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <optional>

namespace yagura::broker {
namespace {

std::vector<std::string> split_at_commas(const std::vector<std::string>& values) {
    std::vector<std::string> parts;
    for (const std::string& value : values) {
        // A file whose name has a comma in it is taken as it is.
        if (std::filesystem::exists(value)) {
            parts.push_back(value);
            continue;
        }
        std::size_t begin = 0;
        for (std::size_t end = 0; end != std::string::npos; begin = end + 1) {
            end = value.find(',', begin);
            parts.push_back(value.substr(begin, end == std::string::npos ? end : end - begin));
        }
    }
    return parts;
}

}  // namespace

base::Result<std::vector<pcap::CaptureInput>> assign_captures(const std::vector<std::string>& inputs,
                                                              const rules::Config& config) {
    const auto ports = config.network_ports();
    std::vector<pcap::CaptureInput> captures;
    std::vector<std::size_t> unnamed;  // indices into captures
    std::vector<bool> named(ports.size(), false);

    for (std::string& part : split_at_commas(inputs)) {
        if (part.empty()) return base::Error{"--in: a capture's name is empty"};
        const std::size_t equals = part.find('=');
        if (equals == std::string::npos || std::filesystem::exists(part)) {
            unnamed.push_back(captures.size());
            captures.push_back({.path = std::move(part), .port = {}});
            continue;
        }
        const std::string name = part.substr(0, equals);
        const auto port = std::ranges::find_if(ports, [&](const rules::Port* p) { return p->name == name; });
        if (port == ports.end()) {
            std::string known;
            for (const rules::Port* p : ports) known += (known.empty() ? "" : ", ") + p->name;
            return base::Error{fmt::format("--in {}: there is no network port \"{}\" (network ports: {})",
                                           part, name, known)};
        }
        const auto index = static_cast<std::uint16_t>(port - ports.begin());
        named[index] = true;
        captures.push_back({.path = part.substr(equals + 1), .port = base::PortId{index}});
    }
    if (captures.empty()) return base::Error{"--in: no capture is named"};

    std::vector<std::uint16_t> free_ports;
    for (std::size_t i = 0; i < ports.size(); ++i) {
        if (!named[i]) free_ports.push_back(static_cast<std::uint16_t>(i));
    }
    if (free_ports.empty()) free_ports.push_back(static_cast<std::uint16_t>(ports.size() - 1));
    for (std::size_t n = 0; n < unnamed.size(); ++n) {
        captures[unnamed[n]].port = base::PortId{free_ports[std::min(n, free_ports.size() - 1)]};
    }
    return captures;
}

}  // namespace yagura::broker
