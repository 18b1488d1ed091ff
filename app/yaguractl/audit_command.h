// SPDX-License-Identifier: BSD-3-Clause
#pragma once

namespace CLI {
class App;
}

namespace yagura::ctl {

/// Adds `audit`, which reads the files of an audit log and needs no yagura that runs. Its subcommands run
/// when they are parsed and leave their exit status in `status`: 0 sound, 1 faults were found, 2 a file
/// cannot be used. `json`: print for a program. Both outlive `app`.
void add_audit(CLI::App& app, const bool& json, int& status);

}  // namespace yagura::ctl
