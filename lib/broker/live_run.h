// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "broker/capabilities.h"
#include "broker/config_versions.h"
#include "broker/policy_loader.h"
#include "broker/ports.h"
#include "dataplane/lcore_plan.h"
#include "dataplane/pipeline.h"
#include "rules/config.h"

namespace yagura::broker {

/// What a live run is and does, for those who look at it and change it. The control thread's.
class LiveRun {
  public:
    std::string program_version;
    std::string config_path;
    rules::Config config;       ///< in effect; replaced by take_effect() alone
    std::uint64_t version = 0;  ///< of the configuration: one more with each that came into effect
    dataplane::LcorePlan plan;
    bool hugepages = false;
    std::chrono::system_clock::time_point started;
    std::chrono::steady_clock::time_point started_steady;
    Ports* ports = nullptr;                         ///< open; they outlive the run
    rte_mempool* pool = nullptr;                    ///< that packets are received into
    Capabilities given_away = 0;                    ///< once everything ran
    std::unique_ptr<dataplane::Pipeline> pipeline;  ///< from its start on
    std::uint64_t down_tools = 0;                   ///< bit per ToolId: others stand in for them
    std::optional<base::ToolId> mirrored;           ///< a tool that gets what the configuration says no more
    bool stop_wanted = false;                       ///< somebody asked for the end
    bool draining = false;

    /// The configuration is in effect from now on, as another version. `text`: its canonical form, or null to
    /// have it made here.
    void take_effect(rules::Config wanted, ConfigOrigin origin,
                     std::shared_ptr<const std::string> text = nullptr);
    const ConfigVersions& versions() const { return versions_; }
    /// The version that brought this policy (Pipeline::epoch()); of the one in effect and the one before.
    std::optional<std::uint64_t> version_of(std::uint32_t epoch) const;

    /// The counters, as of some milliseconds ago at most: however many ask, they are summed up now and then.
    const dataplane::Stats& stats();
    /// The canonical form of the configuration in effect.
    const std::string& canonical() const { return *versions_.all().back().text; }

    std::chrono::milliseconds uptime() const {
        return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() -
                                                                     started_steady);
    }

  private:
    dataplane::Stats stats_;
    std::uint64_t stats_version_ = 0;
    std::chrono::steady_clock::time_point stats_time_;
    ConfigVersions versions_;
    struct PolicyVersion {
        std::uint32_t epoch = 0;
        std::uint64_t version = 0;
    };
    PolicyVersion policy_;
    PolicyVersion policy_before_;
};

}  // namespace yagura::broker
