// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "broker/policy_loader.h"
#include "dataplane/lcore_plan.h"
#include "dataplane/pipeline.h"
#include "rules/config.h"

namespace yagura::broker {

/// What a live run is and does, for those who look at it and change it. The control thread's.
class LiveRun {
  public:
    std::string program_version;
    std::string config_path;
    rules::Config config;       ///< in effect
    std::uint64_t version = 1;  ///< of the configuration: one more with each that came into effect
    dataplane::LcorePlan plan;
    bool hugepages = false;
    std::chrono::system_clock::time_point started;
    std::chrono::steady_clock::time_point started_steady;
    std::unique_ptr<dataplane::Pipeline> pipeline;  ///< from its start on
    bool stop_wanted = false;                       ///< somebody asked for the end
    bool draining = false;

    /// The counters, as of some milliseconds ago at most: however many ask, they are summed up now and then.
    const dataplane::Stats& stats();
    /// The canonical form of the configuration in effect; made once for each version.
    const std::string& canonical();

    std::chrono::milliseconds uptime() const {
        return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() -
                                                                     started_steady);
    }

  private:
    dataplane::Stats stats_;
    std::uint64_t stats_version_ = 0;
    std::chrono::steady_clock::time_point stats_time_;
    std::string canonical_;
    std::uint64_t canonical_version_ = 0;
};

}  // namespace yagura::broker
