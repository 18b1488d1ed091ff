// SPDX-License-Identifier: BSD-3-Clause
#include "broker/capabilities.h"

#include <fmt/format.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <vector>

namespace yagura::broker {
namespace {

using ethdev::DeviceKind;

constexpr Capabilities kNetRaw = capability(CAP_NET_RAW);
constexpr Capabilities kNetAdmin = capability(CAP_NET_ADMIN);
constexpr Capabilities kIpcLock = capability(CAP_IPC_LOCK);

/// For the threads that the signal reaches.
std::atomic<Capabilities> kept{0};

/// A thread's capabilities are its own: each must give them away itself. Only system calls: it runs in a
/// signal handler.
void keep_in_this_thread() {
    const Capabilities keep = kept.load(std::memory_order_relaxed);
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    std::array<__user_cap_data_struct, 2> data{};
    if (syscall(SYS_capget, &header, data.data()) != 0) return;
    for (unsigned word = 0; word < data.size(); ++word) {
        const auto mask = static_cast<std::uint32_t>(keep >> (32 * word));
        data[word].permitted &= mask;
        data[word].effective &= mask;
        data[word].inheritable = 0;
    }
    syscall(SYS_capset, &header, data.data());
    // A program that root starts would get all of them back.
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

/// Threads that may have more than `keep`.
std::vector<pid_t> threads_with_more(Capabilities keep) {
    std::vector<pid_t> threads;
    std::error_code none;
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task", none)) {
        std::ifstream status(task.path() / "status");
        for (std::string word; status >> word;) {
            if (word != "CapPrm:") continue;
            status >> word;
            if ((std::strtoull(word.c_str(), nullptr, 16) & ~keep) != 0) {
                threads.push_back(std::atoi(task.path().filename().c_str()));
            }
            break;
        }
    }
    return threads;
}

}  // namespace

std::string capability_names(Capabilities set) {
    struct Name {
        int number;
        const char* name;
    };
    constexpr std::array<Name, 7> kNames{{{CAP_NET_RAW, "cap_net_raw"},
                                          {CAP_NET_ADMIN, "cap_net_admin"},
                                          {CAP_BPF, "cap_bpf"},
                                          {CAP_IPC_LOCK, "cap_ipc_lock"},
                                          {CAP_SYS_RAWIO, "cap_sys_rawio"},
                                          {CAP_SYS_ADMIN, "cap_sys_admin"},
                                          {CAP_DAC_OVERRIDE, "cap_dac_override"}}};
    std::string text;
    for (const Name& name : kNames) {
        if ((set & capability(name.number)) != 0) text += (text.empty() ? "" : ",") + std::string(name.name);
    }
    return text.empty() ? "none" : text;
}

Capabilities to_open(DeviceKind kind, const std::string& pci_driver) {
    switch (kind) {
        case DeviceKind::kAfPacket:
            // DPDK sets the interface's address and flags at start, to what they are.
            return kNetRaw | kNetAdmin;
        case DeviceKind::kAfXdp:
            return kNetRaw | kNetAdmin | capability(CAP_BPF);
        case DeviceKind::kTap:
            return kNetAdmin;
        case DeviceKind::kPci:
            // The driver learns the physical addresses of its memory.
            return pci_driver == "vfio-pci" ? 0 : capability(CAP_SYS_ADMIN) | capability(CAP_SYS_RAWIO);
        default:
            return 0;
    }
}

Capabilities to_run(DeviceKind kind, const std::string& pci_driver) {
    switch (kind) {
        case DeviceKind::kAfXdp:
            // It takes its program off the interface in the end, which else gets nothing any more.
            return kNetAdmin | capability(CAP_BPF);
        case DeviceKind::kTap:
            return kNetAdmin;
        case DeviceKind::kPci:
            // Memory that is made later is locked for the device, too.
            return to_open(kind, pci_driver) | kIpcLock;
        default:
            return 0;
    }
}

Capabilities to_plug(const std::string& kind) {
    const DeviceKind device = kind == "pci" ? DeviceKind::kPci : ethdev::DeviceString(kind).kind();
    const Capabilities needed = to_open(device, "vfio-pci") | to_run(device, "vfio-pci");
    return device == DeviceKind::kAfPacket ? needed | kIpcLock : needed;
}

Capabilities own_capabilities() {
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    std::array<__user_cap_data_struct, 2> data{};
    if (syscall(SYS_capget, &header, data.data()) != 0) return 0;
    return Capabilities{data[1].effective} << 32 | data[0].effective;
}

base::Result<void> keep_capabilities(Capabilities keep) {
    kept.store(keep, std::memory_order_relaxed);
    // Two are the C library's own; ours is one that nobody else here uses.
    const int number = SIGRTMIN + 5;
    struct sigaction action {};
    action.sa_handler = [](int) { keep_in_this_thread(); };
    action.sa_flags = SA_RESTART;
    sigaction(number, &action, nullptr);
    keep_in_this_thread();
    std::vector<pid_t> left = threads_with_more(keep);
    for (int round = 0; round < 200 && !left.empty(); ++round) {
        for (const pid_t thread : left) syscall(SYS_tgkill, getpid(), thread, number);
        const timespec pause{.tv_sec = 0, .tv_nsec = 5'000'000};
        nanosleep(&pause, nullptr);
        left = threads_with_more(keep);
    }
    // A signal that came twice may still be on its way: the handler stays.
    if (left.empty()) return {};
    return base::Error{fmt::format("{} threads do not give their capabilities away", left.size())};
}

}  // namespace yagura::broker
