// SPDX-License-Identifier: BSD-3-Clause
#include "broker/doctor/host.h"

#include <time.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <fstream>

namespace yagura::broker::doctor {
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
    // A process's folder may go while we look.
    for (std::filesystem::directory_iterator entry(this->path(path), none), end; !none && entry != end;
         entry.increment(none)) {
        names.push_back(entry->path().filename());
    }
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

Capabilities Host::capabilities() const {
    const std::string status = text("/proc/self/status");
    const std::size_t at = status.find("CapEff:");
    return at == std::string::npos ? 0 : std::strtoull(status.c_str() + at + 7, nullptr, 16);
}

CpuUse Host::cpu_use() const {
    constexpr long kLookNs = 500'000'000;
    const CpuCounts before = CpuCounts::of(*this);
    const timespec pause{.tv_sec = 0, .tv_nsec = kLookNs};
    nanosleep(&pause, nullptr);
    return CpuUse::between(before, CpuCounts::of(*this), kLookNs / 1e9);
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
