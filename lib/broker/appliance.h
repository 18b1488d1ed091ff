// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "broker/exit_status.h"

namespace yagura::broker {

struct RunOptions {
    std::string config;                                ///< path
    std::string lcores;                                ///< of --lcores; empty: as the configuration says
    std::optional<std::chrono::nanoseconds> duration;  ///< none: until SIGINT or SIGTERM
    std::string control;  ///< path of a control socket; empty: as the configuration says
    std::string version;  ///< of the program, for those who ask
    /// Of a program that calls serve_compile_orders(), and compiles patterns; empty: this process does.
    std::vector<std::string> compiler;
};

/// Opens the ports of the configuration and runs the pipeline on them: until the time is over, a signal
/// comes, somebody asks for it by the control socket, or all network ports have ended. SIGHUP brings the
/// rules of the file into effect. Then drains, prints the summary to stdout, and ends with a balanced ledger.
/// Once in a process.
ExitStatus run(const RunOptions& options);

}  // namespace yagura::broker
