// SPDX-License-Identifier: BSD-3-Clause
#include <CLI/CLI.hpp>
#include <cstdio>

#include "app/yagura/commands.h"

namespace {

/// CLI11 has statuses of its own for wrong usage; ours is one.
int usage_error(const CLI::App& app, const CLI::ParseError& error) {
    const int status = app.exit(error);
    return status == 0 ? 0 : static_cast<int>(yagura::broker::ExitStatus::kUsage);
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app{
        "yagura: a packet broker. Captures traffic, selects flows, hands each security tool what it wants.",
        "yagura"};
    app.set_version_flag("--version", std::string("yagura ") + YAGURA_VERSION);
    app.require_subcommand(1);
    app.set_help_all_flag("--help-all", "Help for all commands");

    auto status = yagura::broker::ExitStatus::kOk;
    yagura::app::add_replay(app, status);
    yagura::app::add_run(app, status);
    yagura::app::add_check(app, status);
    // CLI11 would only say that a command is missing.
    if (argc > 1 && argv[1][0] != '-' &&
        app.get_subcommands([&](const CLI::App* c) { return c->check_name(argv[1]); }).empty()) {
        std::fprintf(
            stderr,
            "yagura: there is no command \"%s\"; the commands are replay, run and check (yagura --help)\n",
            argv[1]);
        return static_cast<int>(yagura::broker::ExitStatus::kUsage);
    }
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return usage_error(app, error);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "yagura: %s\n", error.what());
        return static_cast<int>(yagura::broker::ExitStatus::kUsage);
    }
    return static_cast<int>(status);
}
