// SPDX-License-Identifier: BSD-3-Clause
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string_view>

#include "app/yagura/commands.h"
#include "base/diagnostics.h"
#include "broker/compile_process.h"

namespace {

/// CLI11 has statuses of its own for wrong usage; ours is one.
int usage_error(const CLI::App& app, const CLI::ParseError& error) {
    const int status = app.exit(error);
    return status == 0 ? 0 : static_cast<int>(yagura::broker::ExitStatus::kUsage);
}

}  // namespace

int main(int argc, char** argv) {
    // yagura starts itself so.
    if (argc == 2 && argv[1] == std::string_view(yagura::app::kCompileCommand)) {
        return yagura::broker::serve_compile_orders(STDIN_FILENO);
    }
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
    yagura::app::add_explain(app, status);
    yagura::app::add_doctor(app, status);
    yagura::app::add_completion(app);
    // CLI11 would only say that a subcommand is missing.
    const auto known = [&] {
        return !app.get_subcommands([&](const CLI::App* c) { return c->check_name(argv[1]); }).empty();
    };
    if (argc < 2 || (argv[1][0] != '-' && !known())) {
        const std::string what =
            argc < 2 ? "a command is missing" : fmt::format("there is no command \"{}\"", argv[1]);
        yagura::base::diagnose(
            "yagura: {}; the commands are replay, run, check, explain and doctor (yagura --help)\n", what);
        return static_cast<int>(yagura::broker::ExitStatus::kUsage);
    }
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return usage_error(app, error);
    } catch (const std::exception& error) {
        yagura::base::diagnose("yagura: {}\n", error.what());
        return static_cast<int>(yagura::broker::ExitStatus::kUsage);
    }
    if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
        yagura::base::diagnose("yagura: the output cannot be written: {}\n", std::strerror(errno));
        if (status == yagura::broker::ExitStatus::kOk) status = yagura::broker::ExitStatus::kLoss;
    }
    return static_cast<int>(status);
}
