// SPDX-License-Identifier: BSD-3-Clause
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "app/yaguractl/audit_command.h"
#include "app/yaguractl/commands.h"
#include "rules/config.h"

namespace {

using yagura::ctl::Failure;
using yagura::ctl::Status;

int status_of(Status status) {
    return static_cast<int>(status);
}

/// The command, whatever options of ours stand before it; null: there is none.
const char* first_word(const CLI::App& app, int argc, char** argv) {
    for (int i = 1; i < argc; ++i) {
        if (argv[i][0] != '-') return argv[i];
        const CLI::Option* const option = app.get_option_no_throw(argv[i]);
        if (option != nullptr && option->get_expected_min() > 0) ++i;  // its value
    }
    return nullptr;
}

}  // namespace

void yagura::ctl::print_json(const Json& json) {
    fmt::print("{}\n", json.dump(2, ' ', false, Json::error_handler_t::replace));
}

int main(int argc, char** argv) {
    CLI::App app{"yaguractl: looks at a running yagura and changes it, by its control socket.", "yaguractl"};
    app.set_version_flag("--version", std::string("yaguractl ") + YAGURA_VERSION);
    app.require_subcommand(1);
    app.set_help_all_flag("--help-all", "Help for all commands");
    yagura::ctl::Options options{.socket = yagura::rules::Control{}.socket};
    app.add_option("--socket", options.socket, "The control socket")
        ->type_name("PATH")
        ->envname("YAGURA_SOCKET")
        ->capture_default_str();
    app.add_flag("--json", options.json, "Print what yagura answers as JSON");
    app.add_option(
           "--timeout", options.timeout,
           "How long to wait for an answer; 0: for ever. Default: 10, and for ever where yagura may have "
           "much to do (rules, tools switch, ports add and remove, verdicts, blocks, config save, call)")
        ->check(CLI::Range(0.0, 86'400.0))
        ->type_name("SECONDS");
    app.footer(
        "Exit status: 0 all went well; 1 yagura answered with an error, something was not done, or faults "
        "were "
        "found;\n2 wrong usage; "
        "3 no yagura answers there.");

    // A subcommand is a line here, and a pair of files.
    yagura::ctl::add_queries(app, options);
    yagura::ctl::add_ports(app, options);
    yagura::ctl::add_flows(app, options);
    yagura::ctl::add_blocks(app, options);
    yagura::ctl::add_response(app, options);
    yagura::ctl::add_rules(app, options);
    yagura::ctl::add_tools(app, options);
    yagura::ctl::add_config(app, options);
    yagura::ctl::add_top(app, options);
    yagura::ctl::add_call(app, options);
    yagura::ctl::add_completion(app, options);
    int status = 0;
    yagura::ctl::add_audit(app, options.json, status);
    // CLI11 would only say that a subcommand is missing.
    const auto known = [&](const char* word) {
        return !app.get_subcommands([&](const CLI::App* c) { return c->check_name(word); }).empty();
    };
    const char* const command = first_word(app, argc, argv);
    if (argc < 2 || (command != nullptr && !known(command))) {
        fmt::print(stderr, "yaguractl: {}; yaguractl --help lists the commands\n",
                   argc < 2 ? "a command is missing" : fmt::format("there is no command \"{}\"", command));
        return status_of(Status::kUsage);
    }
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : status_of(Status::kUsage);
    } catch (const Failure& failure) {
        fmt::print(stderr, "yaguractl: {}\n", failure.what());
        return status_of(failure.status);
    } catch (const std::exception& error) {
        fmt::print(stderr, "yaguractl: the answer is not understood: {}\n", error.what());
        return status_of(Status::kUnreachable);
    }
    if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
        fmt::print(stderr, "yaguractl: the output cannot be written: {}\n", std::strerror(errno));
        return status_of(Status::kUnreachable);
    }
    return status;
}
