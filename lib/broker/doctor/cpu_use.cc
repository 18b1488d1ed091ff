// SPDX-License-Identifier: BSD-3-Clause
#include "broker/doctor/cpu_use.h"

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <sstream>

#include "broker/doctor/host.h"

namespace yagura::broker::doctor {
namespace {

constexpr unsigned kMostCpus = 4096;

bool is_number(const std::string& text) {
    return !text.empty() && std::ranges::all_of(text, [](unsigned char c) { return std::isdigit(c) != 0; });
}

/// The cpuN lines of /proc/stat, by number.
std::vector<CpuCounts::Ticks> ticks_of(const std::string& text) {
    std::vector<CpuCounts::Ticks> cpus;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        unsigned number = 0;
        int used = 0;
        if (std::sscanf(line.c_str(), "cpu%u %n", &number, &used) != 1 || number > kMostCpus) continue;
        if (cpus.size() <= number) cpus.resize(number + 1);
        std::istringstream fields(line.substr(static_cast<std::size_t>(used)));
        std::uint64_t value = 0;
        for (unsigned field = 0; field < 8 && fields >> value; ++field) {
            const bool idle = field == 3 || field == 4;  // idle, iowait
            cpus[number].all += value;
            if (!idle) cpus[number].busy += value;
        }
    }
    return cpus;
}

/// The processor of a thread's stat: the 39th field, of which the second is a name in brackets that may hold
/// anything.
unsigned cpu_of(const std::string& stat) {
    const std::size_t end = stat.rfind(')');
    if (end == std::string::npos) return kMostCpus;
    std::istringstream fields(stat.substr(end + 1));
    std::string field;
    for (unsigned i = 3; i <= 39; ++i) fields >> field;
    return is_number(field) ? static_cast<unsigned>(std::strtoul(field.c_str(), nullptr, 10)) : kMostCpus;
}

std::map<int, CpuCounts::Thread> threads_of(const Host& host) {
    std::map<int, CpuCounts::Thread> threads;
    for (const std::string& process : host.names("/proc")) {
        if (!is_number(process) || std::atoi(process.c_str()) == getpid()) continue;
        const std::string tasks = "/proc/" + process + "/task";
        for (const std::string& id : host.names(tasks)) {
            const std::string folder = tasks + "/" + id;
            const auto run_ns = host.number(folder + "/schedstat");
            const auto stat = host.line(folder + "/stat");
            if (!run_ns || !stat) continue;
            threads[std::atoi(id.c_str())] = {
                .name = host.line(folder + "/comm").value_or("?"), .cpu = cpu_of(*stat), .run_ns = *run_ns};
        }
    }
    return threads;
}

/// The numbered lines of /proc/interrupts. Its first line names the CPUs of the columns.
std::map<unsigned, CpuCounts::Interrupt> interrupts_of(const std::string& text) {
    std::map<unsigned, CpuCounts::Interrupt> interrupts;
    std::istringstream lines(text);
    std::string line;
    std::getline(lines, line);
    std::istringstream heads(line);
    std::vector<unsigned> cpus;
    for (std::string head; heads >> head;) {
        if (head.starts_with("CPU")) cpus.push_back(static_cast<unsigned>(std::atoi(head.c_str() + 3)));
    }
    while (std::getline(lines, line)) {
        std::istringstream fields(line);
        std::string field;
        fields >> field;
        if (field.empty() || field.back() != ':' || !is_number(field.substr(0, field.size() - 1))) continue;
        auto& interrupt = interrupts[static_cast<unsigned>(std::atoi(field.c_str()))];
        for (const unsigned cpu : cpus) {
            std::uint64_t count = 0;
            if (fields >> count) interrupt.by_cpu[cpu] = count;
        }
        // The controller and its kind of trigger come first, then the devices.
        while (fields >> field) interrupt.name = field;
    }
    return interrupts;
}

}  // namespace

CpuCounts CpuCounts::of(const Host& host) {
    return {.cpus = ticks_of(host.text("/proc/stat")),
            .threads = threads_of(host),
            .interrupts = interrupts_of(host.text("/proc/interrupts"))};
}

CpuUse CpuUse::between(const CpuCounts& before, const CpuCounts& after, double seconds) {
    CpuUse use;
    use.busy.resize(std::min(before.cpus.size(), after.cpus.size()));
    for (std::size_t cpu = 0; cpu < use.busy.size(); ++cpu) {
        const std::uint64_t all = after.cpus[cpu].all - before.cpus[cpu].all;
        const std::uint64_t busy = after.cpus[cpu].busy - before.cpus[cpu].busy;
        if (all != 0) use.busy[cpu] = static_cast<double>(busy) / static_cast<double>(all);
    }
    for (const auto& [id, thread] : after.threads) {
        const auto earlier = before.threads.find(id);
        const std::uint64_t run_before = earlier == before.threads.end() ? 0 : earlier->second.run_ns;
        if (thread.run_ns <= run_before) continue;
        use.workers.push_back({.id = id,
                               .name = thread.name,
                               .cpu = thread.cpu,
                               .share = static_cast<double>(thread.run_ns - run_before) / 1e9 / seconds});
    }
    std::ranges::stable_sort(use.workers, std::ranges::greater(), &Worker::share);
    for (const auto& [number, interrupt] : after.interrupts) {
        const auto earlier = before.interrupts.find(number);
        if (earlier == before.interrupts.end()) continue;
        for (const auto& [cpu, count] : interrupt.by_cpu) {
            const auto counted = earlier->second.by_cpu.find(cpu);
            if (counted == earlier->second.by_cpu.end() || count <= counted->second) continue;
            use.interrupts.push_back({.number = number,
                                      .name = interrupt.name,
                                      .cpu = cpu,
                                      .per_second = static_cast<double>(count - counted->second) / seconds});
        }
    }
    return use;
}

}  // namespace yagura::broker::doctor
