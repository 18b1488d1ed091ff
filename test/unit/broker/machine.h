// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <fmt/format.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>
#include <map>

#include "broker/doctor/doctor.h"

namespace yagura::broker::doctor {

inline constexpr Capabilities kAll = (Capabilities{1} << 41) - 1;

/// A machine that is a folder, gone with the test.
class Machine : public Host {
  public:
    Machine() : Machine(make_folder()) {}
    ~Machine() override { std::filesystem::remove_all(folder_); }

    Machine& file(const std::string& name, const std::string& content) {
        std::filesystem::create_directories(path(name).parent_path());
        std::ofstream(path(name)) << content << "\n";
        return *this;
    }
    Machine& folder(const std::string& name) {
        std::filesystem::create_directories(path(name));
        return *this;
    }
    Machine& symlink(const std::string& name, const std::string& target) {
        std::filesystem::create_directories(path(name).parent_path());
        std::filesystem::create_symlink(target, path(name));
        return *this;
    }
    Machine& capabilities(Capabilities set) {
        return file("/proc/self/status", fmt::format("Name:\tx\nCapEff:\t{:016x}\nCapBnd:\t0", set));
    }
    Machine& interface(const std::string& name, const std::string& state = "up", unsigned mtu = 1500) {
        file("/sys/class/net/" + name + "/operstate", state);
        return file("/sys/class/net/" + name + "/mtu", std::to_string(mtu));
    }
    Machine& pages(unsigned node, unsigned all, unsigned free) {
        const std::string base =
            fmt::format("/sys/devices/system/node/node{}/hugepages/hugepages-2048kB/", node);
        file(base + "nr_hugepages", std::to_string(all));
        return file(base + "free_hugepages", std::to_string(free));
    }

    std::optional<Offloads> offloads(const std::string& iface) const override {
        const auto found = interfaces.find(iface);
        return found == interfaces.end() ? std::nullopt : std::optional(found->second);
    }
    std::optional<ReceiveSide> receive_side(const std::string& iface) const override {
        const auto found = receive_sides.find(iface);
        return found == receive_sides.end() ? std::nullopt : std::optional(found->second);
    }
    CpuUse cpu_use() const override { return use; }

    std::map<std::string, Offloads> interfaces;
    std::map<std::string, ReceiveSide> receive_sides;
    CpuUse use;

  private:
    explicit Machine(const std::string& folder) : Host(folder), folder_(folder) {}
    static std::string make_folder() {
        char name[] = "/tmp/yagura-doctor-XXXXXX";
        REQUIRE(mkdtemp(name) != nullptr);
        return name;
    }
    std::string folder_;
};

inline rules::Port network(const std::string& device) {
    return {.name = "lan", .role = rules::PortRole::kNetwork, .device = device};
}
inline rules::Port tool(const std::string& device) {
    return {.name = "ids", .role = rules::PortRole::kTool, .device = device};
}

using Check = void (*)(const Host&, const Task&, Findings&);
inline Findings look(Check check, const Host& host, const Task& task) {
    Findings findings;
    check(host, task, findings);
    for (const Finding& finding : findings) {
        CHECK_FALSE(finding.check.empty());
        CHECK_FALSE(finding.found.empty());
        CHECK((finding.status == Status::kOk) == finding.means.empty());
        CHECK((finding.status == Status::kOk) == finding.fix.empty());
    }
    return findings;
}
inline Finding look_once(Check check, const Host& host, const Task& task) {
    const Findings findings = look(check, host, task);
    REQUIRE(findings.size() == 1);
    return findings[0];
}

}  // namespace yagura::broker::doctor
