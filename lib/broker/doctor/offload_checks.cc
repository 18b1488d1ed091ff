// SPDX-License-Identifier: BSD-3-Clause
#include <fmt/format.h>

#include "broker/doctor/checks.h"
#include "drivers/ethdev/ethdev.h"

namespace yagura::broker::doctor {
namespace {

using ethdev::DeviceKind;
using ethdev::DeviceString;
using Port = ethdev::EthdevPort;

/// A frame that the largest segments and GRO make.
constexpr std::uint32_t kLargestFrame = 65'549;

std::string ethtool_line(const std::string& iface, const Offloads& offloads) {
    std::string line = "ethtool -K " + iface;
    if (offloads.tso) line += " tso off";
    if (offloads.gso) line += " gso off";
    if (offloads.gro) line += " gro off";
    if (offloads.lro) line += " lro off";
    return line;
}

std::string names_of(const Offloads& offloads) {
    std::string names;
    for (const auto& [on, name] : {std::pair{offloads.tso, "tso"}, std::pair{offloads.gso, "gso"},
                                   std::pair{offloads.gro, "gro"}, std::pair{offloads.lro, "lro"}}) {
        if (on) names += (names.empty() ? "" : ", ") + std::string(name);
    }
    return names.empty() ? "none" : names;
}

void check_network(const Host& host, const rules::Port& port, DeviceString device, Findings& findings) {
    const auto ring = complete_packet_socket(device, Port::kNetworkFrames, port.queues);
    if (!ring) {
        findings.push_back({"offloads", "port \"" + port.name + "\"", Status::kError, ring.error().message,
                            "the port cannot be opened", "leave framesz, blocksz and framecnt out"});
        return;
    }
    const auto offloads = host.offloads(ring->iface);
    Finding finding{.check = "offloads", .subject = "port \"" + port.name + "\""};
    finding.found = fmt::format("{}: {}; frames of up to {} bytes are received whole", ring->iface,
                                offloads ? names_of(*offloads) + " on" : "unknown", ring->snap());
    if (offloads && offloads->any() && !ring->chosen) {
        finding.status = Status::kWarning;
        finding.means = "segments of up to 64 KiB come, and what does not fit is dropped as truncated";
        finding.fix =
            ethtool_line(ring->iface, *offloads) +
            " (of a veth at its other end, too), or leave framesz and blocksz out of the device string";
    }
    findings.push_back(std::move(finding));
}

/// What the network's frames may be, and the tool's interface takes.
void check_tool(const Host& host, const rules::Port& port, const DeviceString& device, Findings& findings) {
    const std::string iface(device.argument("iface").value_or(""));
    const auto mtu = host.number("/sys/class/net/" + iface + "/mtu");
    if (!mtu) return;
    Finding finding{.check = "mtu", .subject = "port \"" + port.name + "\""};
    finding.found = fmt::format("{} takes frames of up to {} bytes", iface, *mtu + 14);
    if (*mtu + 14 < kLargestFrame) {
        finding.status = Status::kWarning;
        finding.means = "the network's segments may have 64 KiB; what is longer is shed as too_large";
        finding.fix = fmt::format(
            "ip link set dev {} mtu 65535 (of a veth at its other end, too), or turn the "
            "network's offloads off",
            iface);
    }
    findings.push_back(std::move(finding));
}

}  // namespace

void check_offloads(const Host& host, const Task& task, Findings& findings) {
    bool large = false;
    for (const rules::Port& port : task.ports) {
        const DeviceString device(port.device);
        if (port.role != rules::PortRole::kNetwork || device.kind() != DeviceKind::kAfPacket) continue;
        check_network(host, port, device, findings);
        const auto offloads = host.offloads(std::string(device.argument("iface").value_or("")));
        large |= !offloads || offloads->any();
    }
    for (const rules::Port& port : task.ports) {
        const DeviceString device(port.device);
        if (large && port.role == rules::PortRole::kTool && device.kind() == DeviceKind::kAfPacket) {
            check_tool(host, port, device, findings);
        }
    }
}

}  // namespace yagura::broker::doctor
