// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "broker/exit_status.h"

namespace yagura::broker {

struct ReplayOptions {
    std::string config;               ///< path
    std::vector<std::string> inputs;  ///< values of --in
    std::string out;                  ///< folder
    std::string lcores;               ///< of --lcores; empty: as the configuration says
    unsigned burst = 32;
    std::optional<std::uint64_t> stop_after;  ///< packets
    bool force = false;                       ///< overwrite what is in the folder
    bool clock_stages = false;                ///< cycles by stage in stats.json
};

/// Runs captures through the pipeline into a folder. Prints the summary to stdout, errors, warnings and (on a
/// terminal) progress to stderr. Once in a process: it starts DPDK's environment.
ExitStatus replay(const ReplayOptions& options);

}  // namespace yagura::broker
