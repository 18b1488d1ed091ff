// SPDX-License-Identifier: BSD-3-Clause
#include "app/bench/environment.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <rte_cycles.h>
#include <rte_memory.h>
#include <rte_version.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "app/bench/commit.h"
#include "broker/eal.h"
#include "dataplane/lcore_plan.h"

namespace yagura::bench {
namespace {

std::vector<double> load_averages() {
    std::vector<double> loads(3);
    if (getloadavg(loads.data(), 3) != 3) return {};
    return loads;
}

}  // namespace

Environment read_environment(int argc, const char* const* argv) {
    Environment e;
    e.date = fmt::format("{:%Y-%m-%d %H:%M} UTC", fmt::gmtime(std::time(nullptr)));
    e.commit = YAGURA_COMMIT;
    for (int i = 0; i < argc; ++i) {
        const std::string_view word = argv[i];
        if (i == 0) {
            e.command = word.substr(word.rfind('/') + 1);
        } else if (word == "--into" || word == "--json") {
            ++i;  // where figures go changes none
        } else {
            e.command += fmt::format(" {}", word);
        }
    }
    std::ifstream cpuinfo("/proc/cpuinfo");
    for (std::string line; std::getline(cpuinfo, line);) {
        if (line.starts_with("model name") && e.cpu.empty()) e.cpu = line.substr(line.find(':') + 2);
        if (line.starts_with("flags")) e.virtual_machine = line.find(" hypervisor") != std::string::npos;
    }
    e.cpus = static_cast<unsigned>(sysconf(_SC_NPROCESSORS_ONLN));
    e.free_hugepages_mib = broker::free_hugepages_mib();
    utsname system;
    if (uname(&system) == 0) {
        // What stands behind the version is the builder's name for it.
        const std::string_view release = system.release;
        e.kernel = fmt::format("{} {}", system.sysname, release.substr(0, release.find('-')));
    }
    e.compiler = "g++ " __VERSION__;
    e.build_type = YAGURA_BUILD_TYPE;
    e.dpdk = rte_version();
    e.load_before = load_averages();
    return e;
}

void complete(Environment& environment) {
    environment.tsc_hz = rte_get_tsc_hz();
    environment.load_after = load_averages();
}

std::string Environment::to_markdown() const {
    const auto load = [](const std::vector<double>& loads) {
        return loads.empty() ? std::string("unknown") : fmt::format("{:.1f}", loads[0]);
    };
    return fmt::format(
        "`{}`\n\n"
        "{}, commit {}. {}{}, {} CPU{}, time stamp counter {:.0f} MHz, {} MiB of hugepages, {}, {}, {} "
        "({}).\n"
        "Load average (1 minute) {} before and {} after the run.\n",
        command, date, commit, cpu, virtual_machine ? " virtual machine" : "", cpus, cpus == 1 ? "" : "s",
        static_cast<double>(tsc_hz) / 1e6, free_hugepages_mib, kernel, dpdk, compiler, build_type,
        load(load_before), load(load_after));
}

base::Result<void> start(unsigned cpu, unsigned memory_mib) {
    rules::LcoreSpec spec;
    spec.rx = spec.select = spec.tx = {cpu};
    const std::vector<unsigned> cpus{cpu};
    const auto plan = dataplane::LcorePlan::make(spec, cpus);
    // The thread that calls becomes the control lcore, which may run on these CPUs alone.
    return broker::start_eal({.lcores = plan.eal_lcores(cpus), .memory_mib = memory_mib});
}

void ask_for_huge_pages() {
    rte_memseg_list_walk(
        [](const rte_memseg_list* list, void*) {
            madvise(list->base_va, list->len, MADV_HUGEPAGE);
            return 0;
        },
        nullptr);
}

}  // namespace yagura::bench
