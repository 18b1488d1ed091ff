// SPDX-License-Identifier: BSD-3-Clause
#include "broker/eal.h"

#include <fmt/format.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>

#include <filesystem>
#include <fstream>

namespace yagura::broker {

unsigned free_hugepages_mib() {
    std::uint64_t kib = 0;
    std::error_code none;
    for (const auto& size : std::filesystem::directory_iterator("/sys/kernel/mm/hugepages", none)) {
        unsigned long page_kib = 0;
        const std::string name = size.path().filename();
        if (std::sscanf(name.c_str(), "hugepages-%lukB", &page_kib) != 1) continue;
        std::uint64_t pages = 0;
        std::ifstream(size.path() / "free_hugepages") >> pages;
        kib += pages * page_kib;
    }
    return static_cast<unsigned>(kib >> 10);
}

base::Result<dataplane::LcorePlan> plan_lcores(const rules::LcoreSpec& configured, const std::string& option,
                                               const std::vector<unsigned>& cpus) {
    if (option.empty()) return dataplane::LcorePlan::make(configured, cpus);
    auto parsed = dataplane::parse_lcores(option);
    if (!parsed) return parsed.error();
    return dataplane::LcorePlan::make(*parsed, cpus);
}

base::Result<void> start_eal(const EalOptions& options) {
    std::vector<std::string> arguments{"yagura",
                                       "--no-telemetry",
                                       "--log-level=*:warning",
                                       "--lcores",
                                       options.lcores,
                                       "--main-lcore",
                                       std::to_string(dataplane::kMaxLcores)};
    if (options.hugepages) {
        arguments.emplace_back("--in-memory");
        if (options.one_segment) arguments.emplace_back("--single-file-segments");
    } else {
        arguments.insert(arguments.end(),
                         {"--no-huge", "--no-shconf", "-m", std::to_string(options.memory_mib)});
    }
    if (options.pci.empty()) arguments.emplace_back("--no-pci");
    for (const std::string& address : options.pci) arguments.insert(arguments.end(), {"-a", address});

    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    rte_log_set_global_level(RTE_LOG_WARNING);
    if (rte_eal_init(static_cast<int>(arguments.size()), argv.data()) < 0) {
        return base::Error{fmt::format("DPDK's environment does not start: {}", rte_strerror(rte_errno))};
    }
    return {};
}

}  // namespace yagura::broker
