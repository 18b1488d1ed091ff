// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>

#include "broker/doctor/checks.h"
#include "broker/exit_status.h"

namespace yagura::broker::doctor {

/// Everything, in a fixed order.
Findings examine(const Host& host, const Task& task);
/// What keeps the ports from being opened, for certain: its errors alone.
Findings obstacles(const Host& host, const Task& task);

Status worst(const Findings& findings);
/// For a person: a line each, and below it what it means and the fix.
std::string to_text(const Findings& findings);
/// {"version": 1, "worst": "warning", "findings": [...]}
std::string to_json(const Findings& findings);

struct Options {
    std::string config;      ///< path; empty: the machine alone
    std::string root = "/";  ///< before every path below /proc, /sys and /dev
    bool json = false;
};
/// `yagura doctor`.
ExitStatus run(const Options& options);

}  // namespace yagura::broker::doctor
