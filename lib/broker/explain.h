// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>

#include "broker/capture_run.h"

namespace yagura::broker {

struct ExplainOptions {
    CaptureOptions captures;
    std::string flow;  ///< of --flow
    bool json = false;
};

/// Runs captures through the pipeline and prints the life of every flow of this name to stdout; errors,
/// warnings and (on a terminal) progress to stderr. Writes nothing. Once in a process: it starts DPDK's
/// environment.
ExitStatus explain(const ExplainOptions& options);

}  // namespace yagura::broker
