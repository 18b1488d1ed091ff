// SPDX-License-Identifier: BSD-3-Clause
#include <CLI/CLI.hpp>
#include <memory>

#include "app/yagura/commands.h"
#include "broker/appliance.h"
#include "rules/config.h"

namespace yagura::app {

void add_run(CLI::App& app, broker::ExitStatus& status) {
    auto options = std::make_shared<broker::RunOptions>();
    auto duration = std::make_shared<std::string>();
    CLI::App* command = app.add_subcommand("run", "Run the pipeline on the ports of a configuration");
    command->add_option("--config", options->config, "Configuration file")->required()->type_name("FILE");
    command
        ->add_option("--duration", *duration,
                     "End after this time: 500ms, 5s, 2m, 1h (default: at SIGINT or SIGTERM)")
        ->type_name("TIME")
        ->check([](const std::string& text) {
            return rules::parse_duration(text)
                       ? std::string()
                       : "\"" + text + "\" is not a time; write for instance 500ms, 5s or 2m";
        });
    command
        ->add_option("--lcores", options->lcores,
                     "auto, or which stage runs on which lcores: 'rx=0;select=1,2;tx=0'")
        ->type_name("PLAN");
    command
        ->add_option("--control", options->control,
                     "Serve a control socket at this path, whatever the configuration says")
        ->type_name("PATH");
    options->version = YAGURA_VERSION;
    options->compiler = {"/proc/self/exe", kCompileCommand};
    command->callback([options, duration, &status] {
        if (!duration->empty()) options->duration = rules::parse_duration(*duration);
        status = broker::run(*options);
    });
}

}  // namespace yagura::app
