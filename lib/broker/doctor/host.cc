// SPDX-License-Identifier: BSD-3-Clause
#include "broker/doctor/host.h"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>

namespace yagura::broker::doctor {
namespace {

std::optional<std::uint32_t> ethtool(int fd, ifreq& request, std::uint32_t command) {
    ethtool_value value{.cmd = command, .data = 0};
    request.ifr_data = reinterpret_cast<char*>(&value);
    return ioctl(fd, SIOCETHTOOL, &request) == 0 ? std::optional(value.data) : std::nullopt;
}

struct Ticks {
    std::uint64_t busy = 0;
    std::uint64_t all = 0;
};

/// The cpuN lines of /proc/stat, by number.
std::vector<Ticks> cpu_ticks(const std::string& text) {
    std::vector<Ticks> cpus;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        unsigned number = 0;
        int used = 0;
        if (std::sscanf(line.c_str(), "cpu%u %n", &number, &used) != 1 || number > 4096) continue;
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

}  // namespace

std::string Host::text(const std::string& path) const {
    std::ifstream file(this->path(path));
    return {std::istreambuf_iterator<char>(file), {}};
}

std::optional<std::string> Host::line(const std::string& path) const {
    std::ifstream file(this->path(path));
    std::string line;
    if (!file.is_open()) return std::nullopt;
    std::getline(file, line);
    return line;
}

std::optional<std::uint64_t> Host::number(const std::string& path) const {
    const auto text = line(path);
    std::uint64_t value = 0;
    if (!text || std::from_chars(text->data(), text->data() + text->size(), value).ec != std::errc{})
        return std::nullopt;
    return value;
}

std::vector<std::string> Host::names(const std::string& path) const {
    std::vector<std::string> names;
    std::error_code none;
    for (const auto& entry : std::filesystem::directory_iterator(this->path(path), none))
        names.push_back(entry.path().filename());
    std::ranges::sort(names);
    return names;
}

bool Host::exists(const std::string& path) const {
    std::error_code none;
    return std::filesystem::exists(std::filesystem::symlink_status(this->path(path), none));
}

std::optional<std::string> Host::link(const std::string& path) const {
    std::error_code error;
    const auto target = std::filesystem::read_symlink(this->path(path), error);
    return error ? std::nullopt : std::optional<std::string>(target.filename());
}

std::optional<Offloads> Host::offloads(const std::string& iface) const {
    ifreq request{};
    if (root_ != "/" || iface.size() >= sizeof request.ifr_name) return std::nullopt;
    std::memcpy(request.ifr_name, iface.data(), iface.size());
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return std::nullopt;
    const auto tso = ethtool(fd, request, ETHTOOL_GTSO);
    const auto gso = ethtool(fd, request, ETHTOOL_GGSO);
    const auto gro = ethtool(fd, request, ETHTOOL_GGRO);
    const auto flags = ethtool(fd, request, ETHTOOL_GFLAGS);
    close(fd);
    if (!tso && !gso && !gro) return std::nullopt;
    return Offloads{.tso = tso.value_or(0) != 0,
                    .gso = gso.value_or(0) != 0,
                    .gro = gro.value_or(0) != 0,
                    .lro = (flags.value_or(0) & ETH_FLAG_LRO) != 0};
}

Capabilities Host::capabilities() const {
    const std::string status = text("/proc/self/status");
    const std::size_t at = status.find("CapEff:");
    return at == std::string::npos ? 0 : std::strtoull(status.c_str() + at + 7, nullptr, 16);
}

std::vector<double> Host::load() const {
    const std::vector<Ticks> before = cpu_ticks(text("/proc/stat"));
    const timespec pause{.tv_sec = 0, .tv_nsec = 500'000'000};
    nanosleep(&pause, nullptr);
    const std::vector<Ticks> after = cpu_ticks(text("/proc/stat"));
    std::vector<double> load(std::min(before.size(), after.size()));
    for (std::size_t cpu = 0; cpu < load.size(); ++cpu) {
        const std::uint64_t all = after[cpu].all - before[cpu].all;
        if (all != 0)
            load[cpu] = static_cast<double>(after[cpu].busy - before[cpu].busy) / static_cast<double>(all);
    }
    return load;
}

std::vector<unsigned> parse_cpu_list(std::string_view text) {
    std::vector<unsigned> cpus;
    while (!text.empty()) {
        const std::string_view part = text.substr(0, text.find(','));
        text.remove_prefix(std::min(text.size(), part.size() + 1));
        unsigned first = 0;
        unsigned last = 0;
        const char* const end = part.data() + part.size();
        const auto [dash, error] = std::from_chars(part.data(), end, first);
        if (error != std::errc{}) continue;
        last = first;
        if (dash != end && *dash == '-') std::from_chars(dash + 1, end, last);
        for (unsigned cpu = first; cpu <= last && cpu < 4096; ++cpu) cpus.push_back(cpu);
    }
    return cpus;
}

}  // namespace yagura::broker::doctor
