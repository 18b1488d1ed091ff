// SPDX-License-Identifier: BSD-3-Clause
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>

#include "app/yaguractl/commands.h"
#include "app/yaguractl/rule_words.h"
#include "app/yaguractl/table.h"

namespace yagura::ctl {
namespace {

std::string read_file(const std::string& path) {
    const bool standard_input = path == "-";
    std::FILE* file = standard_input ? stdin : std::fopen(path.c_str(), "rb");
    if (file == nullptr) throw Failure(Status::kUsage, fmt::format("{}: {}", path, std::strerror(errno)));
    std::string text;
    char buffer[65536];
    while (const std::size_t n = std::fread(buffer, 1, sizeof buffer, file)) text.append(buffer, n);
    const int error = std::ferror(file) != 0 ? errno : 0;
    if (!standard_input) std::fclose(file);
    if (error != 0) throw Failure(Status::kUsage, fmt::format("{}: {}", path, std::strerror(error)));
    return text;
}

void list_rules(const Options& options) {
    Session session(options.socket, options.patience());
    const Json rules = all_pages(session, "rules.list", "rules");
    if (options.json) return print_json(rules);
    Table table({{"rule", Table::Align::kRight},
                 {"name"},
                 {"packets", Table::Align::kRight},
                 {"flows", Table::Align::kRight},
                 {"scope"},
                 {"does"},
                 {"filter"}});
    for (const Json& rule : rules) {
        std::string asks = rule.value("filter", "");
        if (const std::uint64_t patterns = rule.value("patterns", std::uint64_t{0}); patterns != 0) {
            asks +=
                fmt::format("{}{} pattern{}", asks.empty() ? "" : ", ", patterns, patterns == 1 ? "" : "s");
        }
        table.add({std::to_string(rule.value("id", std::uint64_t{0})), rule.value("name", ""),
                   grouped(rule.value("packets", std::uint64_t{0})),
                   grouped(rule.value("flows", std::uint64_t{0})), rule.value("scope", ""),
                   rule_words(rule, "forward to"), asks});
    }
    fmt::print("{}", table.text());
}

std::string warnings_text(const Json& answer) {
    std::string text;
    for (const Json& warning : answer.value("warnings", Json::array())) {
        text += fmt::format("  warning: {}: {}\n", warning.value("pointer", ""),
                            printable(warning.value("reason", "")));
    }
    return text;
}

void check_rules(const Options& options, const std::string& path) {
    const std::string text = read_file(path);
    Session session(options.socket, options.long_patience());
    const Json answer = session.call("rules.check", {{"config", text}});
    if (options.json) return print_json(answer);
    fmt::print("{} can be loaded: {} rules, compiled in {:.1f} ms\n{}", path,
               answer.value("rules", std::uint64_t{0}), answer.value("compile_ms", 0.0),
               warnings_text(answer));
}

void print_change(const Options& options, const Json& answer) {
    if (options.json) return print_json(answer);
    fmt::print(
        "version {} is in effect instead of {}: {} rules, compiled in {:.1f} ms{}, taken up in {:.1f} ms; "
        "{} packets lost meanwhile, {} flows finish under the old rules\n{}",
        answer.value("new_version", std::uint64_t{0}), answer.value("old_version", std::uint64_t{0}),
        answer.value("rules", std::uint64_t{0}), answer.value("compile_ms", 0.0),
        answer.value("cached", false) ? " (cached)" : "", answer.value("swap_ms", 0.0),
        grouped(answer.value("packets_lost", std::uint64_t{0})),
        grouped(answer.value("flows_on_old", std::uint64_t{0})), warnings_text(answer));
}

void load_rules(const Options& options, const std::string& path) {
    Json params = Json::object();
    if (!path.empty()) params["config"] = read_file(path);
    Session session(options.socket, options.long_patience());
    print_change(options, session.call("rules.load", params));
}

void cancel_loads(const Options& options) {
    Session session(options.socket, options.patience());
    const Json answer = session.call("rules.cancel");
    if (options.json) return print_json(answer);
    fmt::print("{} cancelled\n", answer.value("cancelled", std::uint64_t{0}));
}

void roll_back(const Options& options, std::uint64_t version) {
    Session session(options.socket, options.long_patience());
    print_change(options, session.call("rules.rollback", {{"version", version}}));
}

std::string who_brought(const Json& version) {
    const Json& by = version["by"];
    if (by.is_null()) return "";
    return fmt::format("uid {}, {} ({})", by.value("uid", 0u), printable(by.value("program", "")),
                       by.value("pid", 0));
}

void list_versions(const Options& options) {
    Session session(options.socket, options.patience());
    const Json answer = session.call("rules.versions");
    if (options.json) return print_json(answer);
    Table table({{"version", Table::Align::kRight},
                 {"since"},
                 {"rules", Table::Align::kRight},
                 {"by"},
                 {"who"},
                 {"now"}});
    for (const Json& version : answer["versions"]) {
        std::string by = version.value("action", "");
        if (version.contains("rolled_back_to"))
            by += fmt::format(" to {}", version.value("rolled_back_to", std::uint64_t{0}));
        table.add({std::to_string(version.value("version", std::uint64_t{0})), version.value("since", ""),
                   grouped(version.value("rules", std::uint64_t{0})), by, who_brought(version),
                   version.value("in_effect", false) ? "in effect"
                   : version.value("kept", false)    ? ""
                                                     : "let go"});
    }
    fmt::print("{}", table.text());
    if (const auto flows = answer.value("flows_on_old", std::uint64_t{0}); flows != 0)
        fmt::print("{} flows go on under the rules before\n", grouped(flows));
}

}  // namespace

void add_rules(CLI::App& app, const Options& options) {
    CLI::App* rules = app.add_subcommand("rules", "The rules, and what each has selected; or load others");
    rules->fallthrough()->require_subcommand(0, 1);
    auto path = std::make_shared<std::string>();
    CLI::App* load =
        rules->add_subcommand("load", "Bring the rules and tool groups of a configuration into effect");
    load->add_option("file", *path,
                     "A configuration; - is standard input; left out: yagura's own file is read again")
        ->type_name("FILE");
    load->fallthrough()->callback([&options, path] { load_rules(options, *path); });
    CLI::App* check = rules->add_subcommand("check", "Say whether a configuration could be loaded");
    check->add_option("file", *path, "A configuration; - is standard input")->required()->type_name("FILE");
    check->fallthrough()->callback([&options, path] { check_rules(options, *path); });
    CLI::App* versions = rules->add_subcommand(
        "versions", "The configurations that were in effect last, and who brought them");
    versions->fallthrough()->callback([&options] { list_versions(options); });
    CLI::App* cancel = rules->add_subcommand("cancel", "Give up what is being checked or loaded");
    cancel->fallthrough()->callback([&options] { cancel_loads(options); });
    auto version = std::make_shared<std::uint64_t>(0);
    CLI::App* rollback = rules->add_subcommand("rollback", "Bring an earlier version into effect again");
    rollback->add_option("version", *version, "Of rules versions")->required()->type_name("VERSION");
    rollback->fallthrough()->callback([&options, version] { roll_back(options, *version); });
    rules->callback([&options, rules] {
        if (rules->get_subcommands().empty()) list_rules(options);
    });
}

}  // namespace yagura::ctl
