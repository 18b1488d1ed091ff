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
struct LiveRun {
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

    std::chrono::milliseconds uptime() const {
        return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() -
                                                                     started_steady);
    }
};

}  // namespace yagura::broker
