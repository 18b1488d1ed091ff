// SPDX-License-Identifier: BSD-3-Clause
#include <CLI/CLI.hpp>
#include <memory>

#include "app/yagura/commands.h"
#include "broker/doctor/doctor.h"

namespace yagura::app {

void add_doctor(CLI::App& app, broker::ExitStatus& status) {
    auto options = std::make_shared<broker::doctor::Options>();
    CLI::App* command = app.add_subcommand(
        "doctor", "Look whether this machine is ready, and print the command that mends what is not");
    command->add_option("--config", options->config, "Configuration file: look at what it needs, too")
        ->type_name("FILE");
    command->add_flag("--json", options->json, "Print JSON");
    command
        ->add_option("--root", options->root,
                     "Read /proc, /sys and /dev below this folder: a copy of another machine's")
        ->type_name("DIR")
        ->check(CLI::ExistingDirectory);
    command->footer("Exit status: 0 nothing keeps yagura from running, 1 something does, 2 wrong usage.");
    command->callback([options, &status] { status = broker::doctor::run(*options); });
}

}  // namespace yagura::app
