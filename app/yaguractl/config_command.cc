// SPDX-License-Identifier: BSD-3-Clause
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <string>

#include "app/yaguractl/commands.h"

namespace yagura::ctl {
namespace {

void show_config(const Options& options) {
    Session session(options.socket, options.patience());
    Json params = Json::object();
    std::string text;
    for (;;) {
        const Json piece = session.call("config.get", params);
        text += piece["config"].get<std::string>();
        params = {{"cursor", piece["next"]}, {"version", piece["config_version"]}};
        if (!piece["next"].is_null()) continue;
        if (options.json) return print_json({{"config_version", piece["config_version"]}, {"config", text}});
        fmt::print("{}", text);
        return;
    }
}

void save_config(const Options& options) {
    Session session(options.socket, options.long_patience());
    const Json answer = session.call("config.save");
    if (options.json) return print_json(answer);
    fmt::print("version {} is saved in {}\n", answer.value("config_version", std::uint64_t{0}),
               answer.value("file", ""));
}

}  // namespace

void add_config(CLI::App& app, const Options& options) {
    CLI::App* config =
        app.add_subcommand("config", "The configuration in effect; or save it to yagura's file");
    config->fallthrough()->require_subcommand(0, 1);
    config
        ->add_subcommand("save", "Write it, in its canonical form, to the file that yagura was started with")
        ->fallthrough()
        ->callback([&options] { save_config(options); });
    config->callback([&options, config] {
        if (config->get_subcommands().empty()) show_config(options);
    });
}

}  // namespace yagura::ctl
