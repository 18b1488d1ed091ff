// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "broker/doctor/checks.h"
#include "broker/policy_loader.h"
#include "dataplane/lcore_plan.h"
#include "dataplane/tool_queue.h"
#include "port/packet_pool.h"

namespace yagura::broker {

/// Compiles a configuration for live traffic: what only a replay can do is an error, too.
/// `source` as for compile_config().
LoadedConfig compile_live_config(rules::ConfigOutcome outcome, match::DatabaseSource* source = nullptr);
/// The same of a file.
LoadedConfig load_live_config(const std::string& path);

/// What a tool port may be sent, and what may wait for it: with a rate or a queue.
dataplane::ToolLimit limit_of(const rules::Port& tool);

/// What live traffic needs before its ports can be opened.
struct LiveEnvironment {
    std::unique_ptr<port::PacketPool> pool;          ///< received packets
    std::unique_ptr<port::PacketPool> release_pool;  ///< packets that were held
    std::unique_ptr<port::PacketPool> inject_pool;   ///< frames of our own; null: there are none
    bool hugepages = false;

    /// Every buffer has come back.
    bool pools_whole() const {
        return pool->whole() && release_pool->whole() && (inject_pool == nullptr || inject_pool->whole());
    }
};

/// What a run needs besides.
struct LiveExtra {
    std::uint32_t packets = 0;  ///< in the pool of received packets
    unsigned memory_mib = 0;    ///< of the environment's, for the caller
    bool telemetry = false;     ///< DPDK's
};

/// What the pools of a run need.
struct LiveMemory {
    std::uint32_t packets = 0;   ///< mbufs to receive into
    std::uint32_t released = 0;  ///< mbufs for what was held
    std::uint32_t injected = 0;  ///< mbufs for frames of our own
    unsigned mib = 0;            ///< of the environment's memory, all in all
};
LiveMemory live_memory(const rules::Config& config, std::size_t lcores, const LiveExtra& extra);
/// Whether a pool of so many packets, made for fewer ports, will do for this configuration: rx may be left
/// with half of what it has to spare.
bool pool_suffices(std::uint32_t packets, const rules::Config& config, std::size_t lcores);
/// Devices of each kind in "hotplug" that there is memory for.
inline constexpr unsigned kHotplugDevices = 4;

/// What the doctor is to look at for such a run. `path`: of the configuration; may be empty.
doctor::Task live_task(const rules::Config& config, const dataplane::LcorePlan& plan,
                       const std::string& path);

/// Starts DPDK's environment, once in a process, and makes the pools. In hugepages where enough are free;
/// else it says so on stderr. Of PCI devices those that the configuration names are touched, and no other.
base::Result<LiveEnvironment> start_live(const rules::Config& config, const dataplane::LcorePlan& plan,
                                         const std::vector<unsigned>& cpus, const LiveExtra& extra = {});

}  // namespace yagura::broker
