// SPDX-License-Identifier: BSD-3-Clause
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "app/yagura/commands.h"
#include "base/diagnostics.h"
#include "broker/memory_budget.h"
#include "broker/policy_loader.h"
#include "rules/response_words.h"

namespace yagura::app {
namespace {

const char* layer_name(rules::Layer layer) {
    switch (layer) {
        case rules::Layer::kInner:
            return "inner";
        case rules::Layer::kOuter:
            return "outer";
        case rules::Layer::kFrame:
            return "frame";
    }
    return "";
}

/// What is said of cutting connections where that is allowed.
std::string response_text(const rules::Response& response) {
    if (!response.enabled) return "";
    std::string text = fmt::format("// response: {} connections at a time, {} frames in a second at most{}\n",
                                   response.kills, response.frames_per_second,
                                   response.dry_run ? "; a dry run: nothing is sent" : "");
    text += fmt::format("//   blocks: {} at most, {}\n", response.blocks_capacity,
                        response.blocks_file.empty() ? std::string("forgotten with the end of the run")
                                                     : "kept in " + response.blocks_file);
    if (response.never_prefixes.empty() && response.never_ports.empty())
        text += "//   warning: every connection may be cut: there is no \"never_cut\"\n";
    return text;
}

broker::ExitStatus check(const std::string& path) {
    const broker::LoadedConfig loaded =
        broker::compile_config_cached(broker::read_config(path), net::LinkType::kEthernet);
    if (!loaded.ok()) {
        base::diagnose("yagura check: {}", broker::error_report(path, loaded.errors));
        return broker::ExitStatus::kUsage;
    }
    // What is said about the rules stands in comments, so that the whole output is a configuration.
    fmt::print("{}", rules::canonical_json(loaded.config));
    for (std::size_t i = 0; i < loaded.config.rules.size(); ++i) {
        const match::RuleSummary& summary = loaded.summaries[i];
        fmt::print("// rule {}: layer {}, asked once per {}\n", loaded.config.rules[i].id,
                   layer_name(summary.layer), summary.per_flow ? "flow" : "packet");
        const std::string response = rules::response_words(loaded.config.rules[i]);
        if (!response.empty()) fmt::print("//   response: {}\n", response);
        for (const std::string& warning : summary.warnings) fmt::print("//   warning: {}\n", warning);
    }
    fmt::print("{}", response_text(loaded.config.response));
    fmt::print("{}", broker::memory_budget(loaded.config.inspect, loaded.compiled->state_bytes()));
    if (!loaded.compiled->jit_active()) {
        fmt::print(
            "// note: no native code on this machine: filters are interpreted, which is several times "
            "slower\n");
    }
    return broker::ExitStatus::kOk;
}

}  // namespace

void add_check(CLI::App& app, broker::ExitStatus& status) {
    auto path = std::make_shared<std::string>();
    CLI::App* command = app.add_subcommand(
        "check",
        "Validate a configuration; print its canonical form, how its rules are asked and what it "
        "may take of memory");
    command->add_option("--config", *path, "Configuration file")->required()->type_name("FILE");
    command->footer(
        "The output is itself a configuration: what it says of rules and memory stands in comments.");
    command->callback([path, &status] { status = check(*path); });
}

}  // namespace yagura::app
