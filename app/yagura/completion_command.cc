// SPDX-License-Identifier: BSD-3-Clause
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "app/completion/bash_completion.h"
#include "app/yagura/commands.h"

namespace yagura::app {

void add_completion(CLI::App& app) {
    auto shell = std::make_shared<std::string>();
    CLI::App* command = app.add_subcommand("completion", "Print the completion for a shell");
    command->add_option("shell", *shell, "bash")->required()->check(CLI::IsMember({"bash"}));
    command->callback([&app] { fmt::print("{}", bash_completion(app)); });
}

}  // namespace yagura::app
