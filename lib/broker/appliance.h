// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "broker/exit_status.h"

namespace yagura::broker {

struct RunOptions {
    std::string config;                                ///< path
    std::string lcores;                                ///< of --lcores; empty: as the configuration says
    std::optional<std::chrono::nanoseconds> duration;  ///< none: until SIGINT or SIGTERM
};

/// Opens the ports of the configuration and runs the pipeline on them: until the time is over, a signal
/// comes, or all network ports have ended. Then drains, prints the summary to stdout, and ends with a
/// balanced ledger. Once in a process.
ExitStatus run(const RunOptions& options);

}  // namespace yagura::broker
