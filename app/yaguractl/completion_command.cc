// SPDX-License-Identifier: BSD-3-Clause
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "app/completion/bash_completion.h"
#include "app/yaguractl/commands.h"

namespace yagura::ctl {
namespace {

/// Whoever has pressed a key does not wait longer.
constexpr unsigned kSeconds = 2;

void print_names(const Json& list) {
    for (const Json& entry : list) fmt::print("{}\n", entry.value("name", ""));
}

void complete(const CLI::App& app, const Options& options, const std::string& what) {
    if (what == "bash") {
        fmt::print("{}", app::bash_completion(
                             app, {{"METHOD", "methods"}, {"TOOL", "tools"}, {"NETWORK-PORT", "ports"}}));
        return;
    }
    alarm(kSeconds);
    Session session(options.socket, options.patience());
    if (what == "methods") return print_names(session.call("rpc.methods")["methods"]);
    if (what == "tools") return print_names(session.call("tools.list")["tools"]);
    for (const Json& port : all_pages(session, "ports.list", "ports")) {
        if (port.value("role", "") == "network") fmt::print("{}\n", port.value("name", ""));
    }
}

}  // namespace

void add_completion(CLI::App& app, const Options& options) {
    auto what = std::make_shared<std::string>();
    CLI::App* command = app.add_subcommand(
        "completion", "Print the completion for a shell; or names of a running yagura, which that asks for");
    command->add_option("what", *what, "bash; or methods, ports (of the network), tools")
        ->required()
        ->check(CLI::IsMember({"bash", "methods", "ports", "tools"}));
    command->fallthrough()->callback([&app, &options, what] { complete(app, options, *what); });
}

}  // namespace yagura::ctl
