// SPDX-License-Identifier: BSD-3-Clause
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "app/yaguractl/audit_command.h"

namespace {

constexpr int kUsage = 2;

}  // namespace

int main(int argc, char** argv) {
    CLI::App app{"yaguractl: what operators need besides yagura itself.", "yaguractl"};
    app.set_version_flag("--version", std::string("yaguractl ") + YAGURA_VERSION);
    app.require_subcommand(1);
    app.set_help_all_flag("--help-all", "Help for all commands");
    bool json = false;
    app.add_flag("--json", json, "Print JSON");
    int status = 0;
    yagura::ctl::add_audit(app, json, status);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : kUsage;
    } catch (const std::exception& error) {
        fmt::print(stderr, "yaguractl: {}\n", error.what());
        return kUsage;
    }
    if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
        fmt::print(stderr, "yaguractl: the output cannot be written: {}\n", std::strerror(errno));
        return kUsage;
    }
    return status;
}
