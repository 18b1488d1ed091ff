// SPDX-License-Identifier: BSD-3-Clause
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <set>

#include "broker/doctor/checks.h"
#include "drivers/ethdev/ethdev.h"
#include "drivers/ethdev/packet_socket.h"

namespace yagura::broker::doctor {
namespace {

using ethdev::DeviceKind;
using ethdev::DeviceString;

constexpr const char* kNodes = "/sys/devices/system/node";

struct NodePages {
    std::string folder;  ///< of the page size that there is most of
    std::uint64_t page_kib = 0;
    std::uint64_t all = 0;
    std::uint64_t free = 0;
    std::uint64_t free_mib() const { return free * page_kib >> 10; }
};

/// Of several page sizes the one with the most memory free; without any, the smallest.
NodePages pages_of(const Host& host, const std::string& node) {
    NodePages best;
    const std::string base = fmt::format("{}/{}/hugepages", kNodes, node);
    for (const std::string& size : host.names(base)) {
        NodePages pages{.folder = base + "/" + size};
        unsigned long kib = 0;
        if (std::sscanf(size.c_str(), "hugepages-%lukB", &kib) != 1) continue;
        pages.page_kib = kib;
        pages.all = host.number(pages.folder + "/nr_hugepages").value_or(0);
        pages.free = host.number(pages.folder + "/free_hugepages").value_or(0);
        const bool more = pages.free_mib() > best.free_mib() ||
                          (pages.free_mib() == best.free_mib() && pages.page_kib < best.page_kib);
        if (best.page_kib == 0 || more) best = pages;
    }
    return best;
}

/// Nodes where memory is wanted: of the lcores' CPUs; of one alone where there are none.
std::set<std::string> nodes_of(const Host& host, const std::vector<unsigned>& cpus) {
    std::set<std::string> nodes;
    for (const unsigned cpu : cpus) {
        for (const std::string& name : host.names(fmt::format("/sys/devices/system/cpu/cpu{}", cpu))) {
            if (name.starts_with("node")) nodes.insert(name);
        }
    }
    if (nodes.empty()) nodes.insert("node0");
    return nodes;
}

/// net_virtio_user gives its memory to the other end of its socket, which only hugepages can do.
bool needs_hugepages(const Task& task) {
    return std::ranges::any_of(task.ports, [](const rules::Port& port) {
        return DeviceString(port.device).kind() == DeviceKind::kVirtioUser;
    });
}

}  // namespace

void check_hugepages(const Host& host, const Task& task, Findings& findings) {
    if (host.names(kNodes).empty()) {
        findings.push_back({"hugepages", "", Status::kWarning, "the kernel tells of no NUMA node",
                            "yagura runs with ordinary memory, which costs speed",
                            "use a kernel with CONFIG_NUMA and CONFIG_HUGETLBFS"});
        return;
    }
    for (const std::string& node : nodes_of(host, task.cpus)) {
        const NodePages pages = pages_of(host, node);
        Finding finding{.check = "hugepages", .subject = "node " + node.substr(4)};
        finding.found = fmt::format("{} of {} pages of {} kB are free, {} MiB; {} MiB are needed", pages.free,
                                    pages.all, pages.page_kib, pages.free_mib(), task.memory_mib);
        if (pages.page_kib == 0) {
            finding.found = "the kernel has no hugepages on this node";
        }
        if (pages.page_kib == 0 || pages.free_mib() < task.memory_mib) {
            const bool must = needs_hugepages(task);
            finding.status = must ? Status::kError : Status::kWarning;
            finding.means =
                must ? "net_virtio_user shares its memory with the other end, which takes hugepages"
                     : "yagura runs with ordinary memory, which costs speed";
            const std::uint64_t page_kib = pages.page_kib == 0 ? 2048 : pages.page_kib;
            const std::uint64_t lacking =
                ((task.memory_mib - pages.free_mib()) * 1024 + page_kib - 1) / page_kib;
            const std::string folder = pages.page_kib == 0
                                           ? fmt::format("{}/{}/hugepages/hugepages-2048kB", kNodes, node)
                                           : pages.folder;
            finding.fix = fmt::format("echo {} >{}/nr_hugepages", pages.all + lacking, folder);
        }
        findings.push_back(std::move(finding));
    }
}

void check_locked_memory(const Host& host, const Task& task, Findings& findings) {
    std::uint64_t rings_mib = 0;
    for (const rules::Port& port : task.ports) {
        DeviceString device(port.device);
        if (device.kind() != DeviceKind::kAfPacket) continue;
        using Port = ethdev::EthdevPort;
        const bool tool = port.role == rules::PortRole::kTool;
        if (auto ring = complete_packet_socket(device, tool ? Port::kToolFrames : Port::kNetworkFrames,
                                               port.queues)) {
            rings_mib += ring->memory_mib();
        }
    }
    if (rings_mib == 0) return;
    Finding finding{.check = "locked memory"};
    if ((host.capabilities() & capability(14)) != 0) {  // CAP_IPC_LOCK
        finding.found = fmt::format("{} MiB for packet sockets; cap_ipc_lock: no limit", rings_mib);
        findings.push_back(std::move(finding));
        return;
    }
    const std::string limits = host.text("/proc/self/limits");
    const std::size_t at = limits.find("Max locked memory");
    unsigned long long limit = 0;
    const bool bounded =
        at != std::string::npos && std::sscanf(limits.c_str() + at, "Max locked memory %llu", &limit) == 1;
    finding.found = fmt::format("{} MiB for packet sockets; the limit is {}", rings_mib,
                                bounded ? fmt::format("{} MiB", limit >> 20) : "none");
    if (bounded && limit >> 20 < rings_mib) {
        finding.status = Status::kError;
        finding.means = "the packet sockets' rings cannot be mapped";
        finding.fix = "ulimit -l unlimited (in a systemd unit: LimitMEMLOCK=infinity), or give cap_ipc_lock";
    }
    findings.push_back(std::move(finding));
}

}  // namespace yagura::broker::doctor
