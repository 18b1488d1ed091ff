// SPDX-License-Identifier: BSD-3-Clause
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <sstream>

#include "broker/doctor/checks.h"

namespace yagura::broker::doctor {
namespace {

/// Of a CPU that a data lcore is to have for itself.
constexpr double kForeignLoad = 0.05;
/// Threads that are named, and what share is worth a name.
constexpr std::size_t kNamedWorkers = 3;
constexpr double kNamedShare = 0.005;
/// Where every CPU has an lcore.
constexpr const char* kFewerLcores = "leave a CPU to the others (\"lcores\" of the configuration)";
/// Rarer ones are not worth moving.
constexpr double kRareInterrupts = 10;  // a second

using Cpus = std::vector<unsigned>;

std::string join(const Cpus& cpus) {
    return fmt::format("{}", fmt::join(cpus, ","));
}

bool contains(const Cpus& cpus, unsigned cpu) {
    return std::ranges::find(cpus, cpu) != cpus.end();
}

Cpus without(const Cpus& cpus, const Cpus& others) {
    Cpus rest;
    std::ranges::copy_if(cpus, std::back_inserter(rest),
                         [&](unsigned cpu) { return !contains(others, cpu); });
    return rest;
}

/// CPUs whose callbacks of the kernel's own run elsewhere: those of rcu_nocbs= and, as they need it, of
/// nohz_full.
Cpus offloaded(const Host& host, const Cpus& online, const Cpus& without_ticks) {
    std::istringstream words(host.text("/proc/cmdline"));
    Cpus cpus = without_ticks;
    for (std::string word; words >> word;) {
        if (word == "rcu_nocbs" || word == "rcu_nocbs=all") return online;
        if (!word.starts_with("rcu_nocbs=")) continue;
        const Cpus listed = parse_cpu_list(word.substr(word.find('=') + 1));
        cpus.insert(cpus.end(), listed.begin(), listed.end());
    }
    return cpus;
}

std::string workers_on(const CpuUse& use, unsigned cpu) {
    std::string text;
    std::size_t named = 0;
    for (const CpuUse::Worker& worker : use.workers) {
        if (worker.cpu != cpu || worker.share < kNamedShare) continue;
        if (named++ == kNamedWorkers) break;
        text += fmt::format("{}{} {} ({:.1f} %)", text.empty() ? ": " : ", ", worker.name, worker.id,
                            100 * worker.share);
    }
    return text;
}

/// The busiest thread on it that can be moved: the kernel's own bound ones cannot.
const CpuUse::Worker* movable_on(const CpuUse& use, unsigned cpu) {
    const auto found = std::ranges::find_if(use.workers, [&](const CpuUse::Worker& worker) {
        return worker.cpu == cpu && worker.share >= kNamedShare &&
               worker.name.find(fmt::format("/{}", cpu)) == std::string::npos;
    });
    return found == use.workers.end() ? nullptr : &*found;
}

Finding load_of(const CpuUse& use, unsigned cpu, bool isolated, const Cpus& others) {
    Finding finding{.check = "cpu", .subject = fmt::format("CPU {}", cpu)};
    const bool known = cpu < use.busy.size();
    finding.found = fmt::format("{}, {}", isolated ? "isolated" : "not isolated",
                                known ? fmt::format("{:.0f} % busy", 100 * use.busy[cpu]) : "load unknown");
    if (!known || use.busy[cpu] <= kForeignLoad) return finding;
    finding.found += workers_on(use, cpu);
    finding.status = Status::kWarning;
    finding.means =
        "others work on it: while they do, its lcore does not, and ports miss packets (a yagura that runs "
        "already counts, too)";
    const CpuUse::Worker* const worker = movable_on(use, cpu);
    const std::string who = worker == nullptr ? "PID" : std::to_string(worker->id);
    if (others.empty()) {
        finding.fix = kFewerLcores;
    } else if (isolated) {
        finding.fix = fmt::format(
            "taskset -pc {} {}; find others: ps -eLo psr,pcpu,tid,comm --sort=-pcpu | grep '^ *{} '",
            join(others), who, cpu);
    } else {
        finding.fix = fmt::format("isolate it (below), or move them: taskset -pc {} {}", join(others), who);
    }
    return finding;
}

void check_isolation(const Host& host, const Task& task, const Cpus& online, Findings& findings) {
    const Cpus isolated = parse_cpu_list(host.line("/sys/devices/system/cpu/isolated").value_or(""));
    const Cpus without_ticks = parse_cpu_list(host.line("/sys/devices/system/cpu/nohz_full").value_or(""));
    const Cpus shared = without(task.cpus, isolated);
    const Cpus ticking = without(task.cpus, without_ticks);
    const Cpus called = without(task.cpus, offloaded(host, online, without_ticks));
    if (shared.empty() && ticking.empty() && called.empty()) return;
    // Somebody must do the rest, and interrupts go to CPU 0 first.
    const Cpus alone = without(task.cpus, {0});
    if (alone.empty()) {
        findings.push_back({"cpu", "isolation", Status::kWarning,
                            "all lcores are on CPU 0, which does the rest, too",
                            "while others work, no lcore does", "give the machine more CPUs"});
        return;
    }
    std::vector<std::string> found;
    const auto tell = [&](const Cpus& cpus, const char* what) {
        if (!cpus.empty()) found.push_back(fmt::format("CPUs {} of lcores {}", join(cpus), what));
    };
    tell(shared, "are not isolated");
    tell(ticking, "have the kernel's ticks");
    tell(called, "run the kernel's RCU callbacks");
    findings.push_back(
        {"cpu", "isolation", Status::kWarning, fmt::format("{}", fmt::join(found, "; ")),
         shared.empty() ? "the kernel interrupts their lcores"
                        : "the kernel puts other work on them, and interrupts their lcores with each tick",
         fmt::format(
             "add \"isolcpus={0} nohz_full={0} rcu_nocbs={0}\" to the kernel's command line and start "
             "again; lay no lcore on CPU 0, which stays with the others",
             join(alone))});
}

void check_interrupts(const CpuUse& use, const Task& task, const Cpus& others, Findings& findings) {
    for (const unsigned cpu : task.cpus) {
        std::vector<std::string> found;
        std::vector<std::string> fixes;
        for (const CpuUse::Interrupt& interrupt : use.interrupts) {
            if (interrupt.cpu != cpu || interrupt.per_second < kRareInterrupts) continue;
            found.push_back(fmt::format("{} ({}) {:.0f} a second", interrupt.number, interrupt.name,
                                        interrupt.per_second));
            fixes.push_back(
                fmt::format("echo {} >/proc/irq/{}/smp_affinity_list", join(others), interrupt.number));
        }
        if (found.empty()) continue;
        findings.push_back({"interrupts", fmt::format("CPU {}", cpu), Status::kWarning,
                            fmt::format("{}", fmt::join(found, ", ")),
                            "each keeps its lcore from its work for some microseconds",
                            others.empty()
                                ? std::string(kFewerLcores)
                                : fmt::format("{} (irqbalance would move them back: name the CPUs in "
                                              "IRQBALANCE_BANNED_CPULIST of /etc/default/irqbalance)",
                                              fmt::join(fixes, "; "))});
    }
}

}  // namespace

void check_cpus(const Host& host, const Task& task, Findings& findings) {
    if (task.cpus.empty()) return;
    const CpuUse use = host.cpu_use();
    const Cpus isolated = parse_cpu_list(host.line("/sys/devices/system/cpu/isolated").value_or(""));
    const Cpus online = parse_cpu_list(host.line("/sys/devices/system/cpu/online").value_or(""));
    const Cpus others = without(online, task.cpus);
    for (const unsigned cpu : task.cpus)
        findings.push_back(load_of(use, cpu, contains(isolated, cpu), others));
    check_isolation(host, task, online, findings);
    check_interrupts(use, task, others, findings);
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
