// SPDX-License-Identifier: BSD-3-Clause
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/doctor/checks.h"

namespace yagura::broker::doctor {
namespace {

using ethdev::DeviceKind;
using ethdev::DeviceString;

/// A device file that a port's driver opens.
void check_device_file(const Host& host, const rules::Port& port, const std::string& file, const char* fix,
                       Findings& findings) {
    const bool there = host.exists(file);
    if (there && access(host.path(file).c_str(), R_OK | W_OK) == 0) return;
    findings.push_back({"permissions", "port \"" + port.name + "\"", Status::kError,
                        fmt::format("{} {}", file, there ? "may not be opened" : "is not there"),
                        "the port cannot be opened",
                        there ? fmt::format("run as root, or chmod 666 {}", file) : fix});
}

std::string folder_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    if (slash == std::string::npos) return ".";
    return slash == 0 ? "/" : path.substr(0, slash);
}

/// Where a port's driver or writer makes a file: a capture, a socket.
void check_folder(const rules::Port& port, const std::string& path, Findings& findings) {
    const std::string folder = folder_of(path);
    if (access(folder.c_str(), W_OK | X_OK) == 0) return;
    findings.push_back({"permissions", "port \"" + port.name + "\"", Status::kError,
                        fmt::format("{} cannot be made: no right to write in {}", path, folder),
                        "the port cannot be opened",
                        fmt::format("mkdir -p {0}, or chown it to who runs yagura", folder)});
}

/// net_virtio_user connects when it is opened, unless it is to wait for the other end.
void check_peer(const Host& host, const rules::Port& port, const DeviceString& device, Findings& findings) {
    const std::string path(device.argument("path").value_or(""));
    const bool waits = device.number("server").value_or(0) != 0;
    if (waits) check_folder(port, path, findings);
    if (waits || (path.starts_with("/") && host.exists(path))) return;
    findings.push_back({"device", "port \"" + port.name + "\"", Status::kError,
                        fmt::format("nobody listens at \"{}\"", path), "the port cannot be opened",
                        "write path= and where the other end listens, and start that first"});
}

/// The path's folder, or of those above it the first that is there.
std::string nearest_folder(const Host& host, const std::string& path) {
    std::string folder = folder_of(path);
    while (folder != "/" && folder != "." && !host.exists(folder)) folder = folder_of(folder);
    return folder;
}

}  // namespace

void check_capabilities(const Host& host, const Task& task, Findings& findings) {
    const Capabilities have = host.capabilities();
    const auto needed_by = [&](const rules::Port& port) {
        const DeviceString device(port.device);
        return to_open(device.kind(), pci_driver(host, device.name()));
    };
    Capabilities all = 0;
    for (const rules::Port& port : task.ports) all |= needed_by(port);
    for (const rules::Port& port : task.ports) {
        const Capabilities lacking = needed_by(port) & ~have;
        if (lacking == 0) continue;
        findings.push_back(
            {"permissions", "port \"" + port.name + "\"", Status::kError,
             capability_names(lacking) + " is lacking", "the port cannot be opened",
             fmt::format("run as root, or once: setcap {},cap_ipc_lock+ep \"$(command -v yagura)\"",
                         capability_names(all))});
    }
    if ((all & ~have) != 0) return;
    findings.push_back({"permissions", "capabilities", Status::kOk,
                        fmt::format("needed for the ports: {}", capability_names(all)), "", ""});
}

void check_files(const Host& host, const Task& task, Findings& findings) {
    for (const rules::Port& port : task.ports) {
        const DeviceString device(port.device);
        if (device.kind() == DeviceKind::kTap) {
            check_device_file(host, port, "/dev/net/tun", "modprobe tun", findings);
        } else if (device.kind() == DeviceKind::kPci && pci_driver(host, device.name()) == "vfio-pci") {
            check_device_file(host, port, "/dev/vfio/vfio", "modprobe vfio-pci", findings);
        } else if (device.kind() == DeviceKind::kVirtioUser) {
            check_peer(host, port, device, findings);
        } else if (device.kind() == DeviceKind::kVhost && device.argument("iface")) {
            check_folder(port, std::string(*device.argument("iface")), findings);
        } else if (port.device.starts_with("pcap:")) {
            check_folder(port, port.device.substr(5), findings);
        }
    }
    struct stat status {};
    if (task.config.empty() || stat(task.config.c_str(), &status) != 0) return;
    Finding finding{.check = "permissions", .subject = task.config};
    finding.found = fmt::format("mode {:04o}", status.st_mode & 07777u);
    if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        finding.status = Status::kError;
        finding.means = "others than its owner could say what yagura does: yagura run refuses it";
        finding.fix = fmt::format("chmod go-w {}", task.config);
    }
    findings.push_back(std::move(finding));
}

/// The folders are made when they are not there: what counts is the nearest one that is.
void check_control_files(const Host& host, const Task& task, Findings& findings) {
    for (const auto& [what, path] : task.control_files) {
        const std::string folder = folder_of(path);
        const std::string there = nearest_folder(host, path);
        Finding finding{.check = "permissions", .subject = what};
        finding.found =
            fmt::format("{}: {} {}", path, there, there == folder ? "may be written to" : "takes its folder");
        const std::string real = there == "." ? there : host.path(there).string();
        if (access(real.c_str(), W_OK | X_OK) != 0) {
            finding.status = Status::kError;
            finding.found = fmt::format("{} cannot be made: no right to write in {}", path, there);
            finding.means = "yagura run does not start";
            finding.fix = fmt::format(
                "run as root, or: mkdir -p {0} && chown USER {0}; by systemd: "
                "RuntimeDirectory=, StateDirectory=, LogsDirectory=yagura",
                folder);
        }
        findings.push_back(std::move(finding));
    }
}

}  // namespace yagura::broker::doctor
