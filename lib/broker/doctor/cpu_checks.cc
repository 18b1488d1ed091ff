// SPDX-License-Identifier: BSD-3-Clause
#include <fmt/format.h>

#include <algorithm>

#include "broker/doctor/checks.h"

namespace yagura::broker::doctor {
namespace {

/// Of a CPU that a data lcore is to have for itself.
constexpr double kForeignLoad = 0.05;

std::string join(const std::vector<unsigned>& cpus) {
    return fmt::format("{}", fmt::join(cpus, ","));
}

bool contains(const std::vector<unsigned>& cpus, unsigned cpu) {
    return std::ranges::find(cpus, cpu) != cpus.end();
}

}  // namespace

void check_cpus(const Host& host, const Task& task, Findings& findings) {
    if (task.cpus.empty()) return;
    const std::vector<unsigned> isolated =
        parse_cpu_list(host.line("/sys/devices/system/cpu/isolated").value_or(""));
    const std::vector<double> load = host.load();
    for (const unsigned cpu : task.cpus) {
        Finding finding{.check = "cpu", .subject = fmt::format("CPU {}", cpu)};
        const bool known = cpu < load.size();
        const bool loaded = known && load[cpu] > kForeignLoad;
        const bool alone = contains(isolated, cpu);
        finding.found = fmt::format("{}, {}", alone ? "isolated" : "not isolated",
                                    known ? fmt::format("{:.0f} % busy", 100 * load[cpu]) : "load unknown");
        if (loaded) {
            finding.status = Status::kWarning;
            finding.means =
                "others work on it: while they do, its lcore does not, and ports miss packets (a yagura "
                "that runs already counts, too)";
            finding.fix =
                alone ? fmt::format("find them: ps -eLo psr,pcpu,comm --sort=-pcpu | grep '^ *{} '", cpu)
                      : fmt::format("isolate it (below), or move them: taskset -apc CPUS PID");
        }
        findings.push_back(std::move(finding));
    }
    std::vector<unsigned> shared;
    std::ranges::copy_if(task.cpus, std::back_inserter(shared),
                         [&](unsigned cpu) { return !contains(isolated, cpu); });
    if (shared.empty()) return;
    // Somebody must do the rest, and interrupts go to CPU 0 first.
    std::vector<unsigned> alone = task.cpus;
    std::erase(alone, 0u);
    if (alone.empty()) {
        findings.push_back({"cpu", "isolation", Status::kWarning,
                            "all lcores are on CPU 0, which does the rest, too",
                            "while others work, no lcore does", "give the machine more CPUs"});
        return;
    }
    findings.push_back(
        {"cpu", "isolation", Status::kWarning,
         fmt::format("CPUs {} of lcores are not isolated", join(shared)),
         "the kernel puts other work on them, and interrupts their lcores with each tick",
         fmt::format(
             "add \"isolcpus={0} nohz_full={0} rcu_nocbs={0}\" to the kernel's command line and start again; "
             "lay no lcore on CPU 0, which stays with the others",
             join(alone))});
}

void check_clock(const Host& host, const Task&, Findings& findings) {
    const std::string info = host.text("/proc/cpuinfo");
    const bool invariant =
        info.find(" constant_tsc") != std::string::npos && info.find(" nonstop_tsc") != std::string::npos;
    const std::string source =
        host.line("/sys/devices/system/clocksource/clocksource0/current_clocksource").value_or("unknown");
    Finding finding{.check = "clock"};
    finding.found = fmt::format("clock source {}, time stamp counter {}", source,
                                invariant ? "invariant" : "not invariant");
    // These are read without a system call.
    const bool fast = source == "tsc" || source == "kvm-clock" || source == "hyperv_clocksource_tsc_page";
    if (!fast) {
        finding.status = Status::kWarning;
        finding.means = "each burst's time stamp takes a system call, or a slow read of a device";
        const bool offered = host.line("/sys/devices/system/clocksource/clocksource0/available_clocksource")
                                 .value_or("")
                                 .find("tsc") != std::string::npos;
        finding.fix = offered
                          ? "echo tsc >/sys/devices/system/clocksource/clocksource0/current_clocksource"
                          : "add \"tsc=reliable\" to the kernel's command line and start again, or turn the "
                            "hypervisor's invariant time stamp counter on";
    } else if (!invariant) {
        finding.status = Status::kWarning;
        finding.means = "the cycles that are measured are not of one length";
        finding.fix =
            "in a virtual machine: turn the hypervisor's invariant time stamp counter on (CPU flag invtsc)";
    }
    findings.push_back(std::move(finding));
}

}  // namespace yagura::broker::doctor
