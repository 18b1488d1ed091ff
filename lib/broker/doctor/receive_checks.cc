// SPDX-License-Identifier: BSD-3-Clause
#include <fmt/format.h>

#include <algorithm>

#include "broker/doctor/checks.h"

namespace yagura::broker::doctor {
namespace {

using ethdev::DeviceKind;
using ethdev::DeviceString;

/// AF_XDP takes the channels that it is told, and no other: what the others receive goes to the kernel.
void check_channels(const rules::Port& port, const DeviceString& device, const std::string& iface,
                    unsigned channels, Findings& findings) {
    const std::uint64_t first = device.number("start_queue").value_or(0);
    const std::uint64_t count = device.number("queue_count").value_or(1);
    Finding finding{.check = "rss", .subject = "port \"" + port.name + "\""};
    finding.found = fmt::format("AF_XDP takes {} of the {} channels of {}", count, channels, iface);
    if (first != 0 || count < channels) {
        finding.status = Status::kWarning;
        finding.means = "what the other channels receive is not seen, and nobody counts it";
        finding.fix = fmt::format("ethtool -L {} combined {}", iface, std::max<std::uint64_t>(count, 1));
        if (first != 0) finding.fix += ", and write start_queue=0";
    }
    findings.push_back(std::move(finding));
}

}  // namespace

bool is_symmetric_key(std::span<const std::uint8_t> key) {
    // The hash of a word in a place does not change when it moves by two bytes: then addresses and ports can
    // change places.
    for (std::size_t i = 2; i < key.size(); ++i) {
        if (key[i] != key[i - 2]) return false;
    }
    return key.size() > 2;
}

void check_receive_side(const Host& host, const Task& task, Findings& findings) {
    for (const rules::Port& port : task.ports) {
        const DeviceString device(port.device);
        const auto argument = device.argument("iface");
        const bool on_interface =
            device.kind() == DeviceKind::kAfPacket || device.kind() == DeviceKind::kAfXdp;
        if (port.role != rules::PortRole::kNetwork || !on_interface || !argument) continue;
        const std::string iface(*argument);
        const auto side = host.receive_side(iface);
        if (!side) continue;
        if (device.kind() == DeviceKind::kAfXdp)
            check_channels(port, device, iface, side->channels, findings);
        Finding finding{.check = "rss", .subject = "port \"" + port.name + "\""};
        if (side->channels == 1) {
            finding.found = fmt::format("{} receives by one channel", iface);
        } else if (!side->symmetric) {
            finding.found =
                fmt::format("{} receives by {} channels, and does not tell its hash", iface, side->channels);
        } else if (*side->symmetric) {
            finding.found =
                fmt::format("{} receives by {} channels, with a symmetric hash", iface, side->channels);
        } else {
            std::string key = "6d:5a";
            for (int i = 1; i < 20; ++i) key += ":6d:5a";
            finding.found = fmt::format("{} receives by {} channels, with a hash that is not symmetric",
                                        iface, side->channels);
            finding.status = Status::kWarning;
            finding.means =
                "the two directions of a connection come by different channels: an answer may be seen before "
                "its question, and waits in the reorder budget";
            finding.fix = fmt::format(
                "ethtool -X {0} hkey {1} && ethtool -N {0} rx-flow-hash tcp4 sdfn (a driver with a "
                "longer key: the same two bytes again and again), or ethtool -L {0} combined 1",
                iface, key);
        }
        findings.push_back(std::move(finding));
    }
}

}  // namespace yagura::broker::doctor
