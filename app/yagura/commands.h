// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "broker/exit_status.h"

namespace CLI {
class App;
}

namespace yagura::app {

/// By which yagura starts itself to compile patterns in a process of its own (broker::CompileProcess).
inline constexpr const char* kCompileCommand = "compile-patterns";

/// Each adds a subcommand that runs when it is parsed and leaves its exit status in `status`, which outlives
/// `app`.
void add_replay(CLI::App& app, broker::ExitStatus& status);
void add_run(CLI::App& app, broker::ExitStatus& status);
void add_explain(CLI::App& app, broker::ExitStatus& status);
void add_doctor(CLI::App& app, broker::ExitStatus& status);
void add_check(CLI::App& app, broker::ExitStatus& status);
/// `completion`, of all that `app` has when it runs.
void add_completion(CLI::App& app);

}  // namespace yagura::app
