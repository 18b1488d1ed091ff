// SPDX-License-Identifier: BSD-3-Clause
#include <fmt/format.h>
#include <net/if.h>

#include <algorithm>
#include <array>
#include <map>

#include "broker/doctor/checks.h"

namespace yagura::broker::doctor {
namespace {

using ethdev::DeviceKind;
using ethdev::DeviceString;

constexpr const char* kPci = "/sys/bus/pci/devices/";

bool on_interface(DeviceKind kind) {
    return kind == DeviceKind::kAfPacket || kind == DeviceKind::kAfXdp;
}

Finding interface_finding(const Host& host, const rules::Port& port, const std::string& iface) {
    Finding finding{.check = "device", .subject = "port \"" + port.name + "\""};
    const std::string folder = "/sys/class/net/" + iface;
    if (!host.exists(folder)) {
        finding.status = Status::kError;
        finding.found = fmt::format("there is no interface \"{}\" in this network namespace", iface);
        finding.means = "the port cannot be opened";
        std::string there;
        for (const std::string& name : host.names("/sys/class/net"))
            there += (there.empty() ? "" : ", ") + name;
        finding.fix =
            fmt::format("write one of those that there are ({}), or make it: ip link add ...", there);
        return finding;
    }
    const std::string state = host.line(folder + "/operstate").value_or("unknown");
    finding.found =
        fmt::format("interface {}, {}, MTU {}", iface, state, host.line(folder + "/mtu").value_or("unknown"));
    if (state == "down") {
        finding.status = Status::kWarning;
        finding.means = "nothing comes or goes by it until it is up";
        finding.fix = fmt::format("ip link set dev {} up", iface);
    }
    return finding;
}

/// The kernel's interfaces on a PCI device that are up.
std::string interfaces_in_use(const Host& host, const std::string& address) {
    std::string text;
    for (const std::string& name : host.names(kPci + address + "/net")) {
        if (host.line("/sys/class/net/" + name + "/operstate") == "up")
            text += (text.empty() ? "" : ", ") + name;
    }
    return text;
}

Finding pci_finding(const Host& host, const rules::Port& port, const std::string& address) {
    Finding finding{.check = "device", .subject = "port \"" + port.name + "\""};
    if (!host.exists(kPci + address)) {
        finding.status = Status::kError;
        finding.found = fmt::format("there is no PCI device {}", address);
        finding.means = "the port cannot be opened";
        finding.fix = "write one of those that there are: lspci -D | grep -i ethernet";
        return finding;
    }
    const std::string driver = pci_driver(host, address);
    // Drivers of the kernel that DPDK works together with.
    constexpr std::array<std::string_view, 5> kUsable{"vfio-pci", "uio_pci_generic", "igb_uio", "mlx5_core",
                                                      "mlx4_core"};
    finding.found = fmt::format("PCI device {}, {}", address,
                                driver.empty() ? "bound to no driver" : "bound to " + driver);
    if (std::ranges::find(kUsable, driver) != kUsable.end()) return finding;
    finding.status = Status::kError;
    finding.means = "DPDK cannot use it with that driver";
    const std::string used = interfaces_in_use(host, address);
    if (!used.empty())
        finding.means += fmt::format("; it is the host's {}, which is up and would be gone", used);
    const char* load = host.exists("/sys/bus/pci/drivers/vfio-pci") ? "" : "modprobe vfio-pci && ";
    finding.fix = fmt::format("{}dpdk-devbind.py --bind=vfio-pci {}", load, address);
    return finding;
}

/// A tap is made under a name that nobody has yet, unless it has been made for us.
Finding tap_finding(const Host& host, const rules::Port& port, const std::string& iface) {
    Finding finding{.check = "device", .subject = "port \"" + port.name + "\""};
    finding.found = fmt::format("tap interface {}", iface);
    constexpr std::size_t kLongest = IFNAMSIZ - 1;
    const std::string folder = "/sys/class/net/" + iface;
    const bool taken = host.exists(folder) && !host.exists(folder + "/tun_flags");
    if (iface.size() <= kLongest && !taken) return finding;
    finding.status = Status::kError;
    finding.found = taken ? fmt::format("there is an interface {} already", iface)
                          : fmt::format("\"{}\" is too long for an interface", iface);
    finding.means = "the port cannot be opened";
    finding.fix = taken ? fmt::format("write another name, or remove it: ip link del dev {}", iface)
                        : fmt::format("write a name of at most {} characters", kLongest);
    return finding;
}

/// Ports that name a device which an earlier one has.
void check_shared(const Task& task, Findings& findings) {
    std::map<std::string, std::string> owners;
    for (const rules::Port& port : task.ports) {
        if (port.device.starts_with("loop:") || port.device.starts_with("pcap:")) continue;
        const DeviceString device(port.device);
        const bool pci = device.kind() == DeviceKind::kPci;
        const auto [owner, first] =
            owners.emplace(pci ? full_pci_address(device.name()) : device.name(), port.name);
        if (first) continue;
        findings.push_back(
            {"device", "port \"" + port.name + "\"", Status::kError,
             fmt::format("{} is the device of port \"{}\"", device.name(), owner->second),
             "the port cannot be opened",
             pci ? "write another device" : "give each port a number of its own after the driver's name"});
    }
}

bool has_vfio_device(const Host& host, const Task& task) {
    return std::ranges::any_of(task.ports, [&](const rules::Port& port) {
        const DeviceString device(port.device);
        return device.kind() == DeviceKind::kPci && pci_driver(host, device.name()) == "vfio-pci";
    });
}

}  // namespace

std::string full_pci_address(const std::string& address) {
    return std::ranges::count(address, ':') == 1 ? "0000:" + address : address;
}

std::string pci_driver(const Host& host, const std::string& address) {
    return host.link(kPci + full_pci_address(address) + "/driver").value_or("");
}

void check_devices(const Host& host, const Task& task, Findings& findings) {
    for (const rules::Port& port : task.ports) {
        const DeviceString device(port.device);
        if (on_interface(device.kind())) {
            const auto iface = device.argument("iface");
            findings.push_back(interface_finding(host, port, std::string(iface.value_or(""))));
        } else if (device.kind() == DeviceKind::kPci) {
            findings.push_back(pci_finding(host, port, full_pci_address(device.name())));
        } else if (device.kind() == DeviceKind::kTap && device.argument("iface")) {
            findings.push_back(tap_finding(host, port, std::string(*device.argument("iface"))));
        }
    }
    check_shared(task, findings);
}

void check_iommu(const Host& host, const Task& task, Findings& findings) {
    const bool on = !host.names("/sys/kernel/iommu_groups").empty();
    const bool needed = has_vfio_device(host, task);
    Finding finding{.check = "iommu"};
    finding.found = on ? "it is on" : needed ? "it is off" : "it is off; no port needs it";
    if (!on && needed) {
        const bool unsafe = host.line("/sys/module/vfio/parameters/enable_unsafe_noiommu_mode") == "Y";
        const bool amd = host.text("/proc/cpuinfo").find("AuthenticAMD") != std::string::npos;
        finding.status = unsafe ? Status::kWarning : Status::kError;
        finding.means = unsafe ? "a device may write to any memory of the machine"
                               : "vfio-pci opens no device without it";
        finding.fix = fmt::format("add \"{} iommu=pt\" to the kernel's command line and start again",
                                  amd ? "amd_iommu=on" : "intel_iommu=on");
        if (!unsafe) {
            finding.fix +=
                "; in a virtual machine without one: echo Y "
                ">/sys/module/vfio/parameters/enable_unsafe_noiommu_mode";
        }
    }
    findings.push_back(std::move(finding));
}

}  // namespace yagura::broker::doctor
