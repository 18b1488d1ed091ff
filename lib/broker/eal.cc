// SPDX-License-Identifier: BSD-3-Clause
#include "broker/eal.h"

#include <fmt/format.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/diagnostics.h"

namespace yagura::broker {
namespace {

/// The name of the folder in which telemetry's sockets are; the only file that there is of a run.
constexpr const char* kFilePrefix = "--file-prefix=yagura";
bool telemetry_started = false;

/// Where DPDK puts its folder: eal_create_runtime_dir() of lib/eal/unix.
std::string runtime_folder() {
    if (const char* systemd = std::getenv("RUNTIME_DIRECTORY")) return systemd;
    if (getuid() == 0) return "/var/run";
    if (const char* user = std::getenv("XDG_RUNTIME_DIR")) return user;
    return "/tmp";
}

/// Why there can be no socket that is this user's alone; empty: there can. Without telemetry a run still is
/// one, but DPDK would not start.
std::string telemetry_trouble() {
    std::string folder = runtime_folder();
    for (const char* const below : {"", "/dpdk", "/yagura"}) {
        folder += below;
        if (*below != '\0' && mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST)
            return fmt::format("{}: {}", folder, std::strerror(errno));
    }
    struct stat status {};
    if (stat(folder.c_str(), &status) != 0 || access(folder.c_str(), W_OK | X_OK) != 0)
        return fmt::format("{}: {}", folder, std::strerror(errno));
    if (status.st_uid != geteuid() || (status.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        return fmt::format("{} is not this user's alone (chmod 700)", folder);
    // With "/dpdk_telemetry.v2:NN" it is the name of a socket.
    constexpr std::size_t kMostBytes = 80;
    if (folder.size() > kMostBytes) return fmt::format("{} is too long", folder);
    return {};
}

}  // namespace

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

bool has_telemetry() {
    return telemetry_started;
}

base::Result<void> start_eal(const EalOptions& options) {
    std::string trouble;
    if (options.telemetry) {
        trouble = telemetry_trouble();
        telemetry_started = trouble.empty();
        if (!trouble.empty()) base::diagnose("note: no DPDK telemetry: {}\n", trouble);
    }
    std::vector<std::string> arguments{"yagura",
                                       telemetry_started ? kFilePrefix : "--no-telemetry",
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
    if (options.pci.empty()) {
        // An address that no network device has: without a list every device would be taken.
        if (options.pci_later) {
            arguments.insert(arguments.end(), {"-a", "0000:00:00.0"});
        } else {
            arguments.emplace_back("--no-pci");
        }
    }
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
