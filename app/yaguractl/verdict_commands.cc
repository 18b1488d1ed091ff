// SPDX-License-Identifier: BSD-3-Clause
// flows reset, block, shunt and release.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "app/client/outcome.h"
#include "app/yaguractl/commands.h"
#include "app/yaguractl/item_call.h"

namespace yagura::ctl {
namespace {

struct WantedVerdicts {
    std::vector<std::string> flows;
    std::string ttl;
    std::string reason;
    std::string key;
    std::string tool;
    bool dry_run = false;
};

std::string number_of(const Json& result, const char* name) {
    const auto found = result.find(name);
    return found != result.end() && found->is_number_unsigned() ? grouped(found->get<std::uint64_t>()) : "";
}

ItemTable cut_table() {
    using client::text_in;
    return {.columns = {{"flow"},
                        {"outcome"},
                        {"seen"},
                        {"frames", Table::Align::kRight},
                        {"RST us", Table::Align::kRight},
                        {"dead us", Table::Align::kRight},
                        {""}},
            .row = [](const Json& result) -> std::vector<std::string> {
                return {text_in(result, "flow"),
                        text_in(result, "outcome"),
                        text_in(result, "seen"),
                        number_of(result, "frames"),
                        number_of(result, "first_reset_us"),
                        number_of(result, "death_us"),
                        text_in(result, "message")};
            }};
}

ItemTable shunt_table() {
    using client::text_in;
    return {.columns = {{"flow"}, {"outcome"}, {""}},
            .row = [](const Json& result) -> std::vector<std::string> {
                return {text_in(result, "flow"), text_in(result, "outcome"), text_in(result, "message")};
            }};
}

ItemCall call_of(const char* method, const WantedVerdicts& wanted) {
    ItemCall call{.method = method, .list = "flows", .words = wanted.flows, .key = wanted.key};
    if (!wanted.ttl.empty()) call.params["ttl"] = wanted.ttl;
    if (!wanted.reason.empty()) call.params["reason"] = wanted.reason;
    if (!wanted.tool.empty()) call.params["tool"] = wanted.tool;
    if (wanted.dry_run) call.params["dry_run"] = true;
    return call;
}

CLI::App* add_verdict(CLI::App& flows, const char* name, const char* help, WantedVerdicts& wanted) {
    CLI::App* command = flows.add_subcommand(name, help)->fallthrough();
    command
        ->add_option(
            "flow", wanted.flows,
            "Each as flows prints it, in either direction: 'tcp A:p > B:p'; - is standard input, a flow on "
            "each line")
        ->required()
        ->type_name("FLOW");
    command
        ->add_option(
            "--key", wanted.key,
            "Names this call: the same again within ten minutes does nothing, and gets the same answer")
        ->type_name("KEY");
    return command;
}

void add_cut(CLI::App* command, WantedVerdicts& wanted) {
    command->add_option("--reason", wanted.reason, "Why, for the audit log")->type_name("TEXT");
    command->add_flag("--dry-run", wanted.dry_run, "Only say what would be done");
}

}  // namespace

void add_flow_verdicts(CLI::App& flows, const Options& options) {
    auto wanted = std::make_shared<WantedVerdicts>();
    CLI::App* reset = add_verdict(flows, "reset", "Cut connections, and say whether they are dead", *wanted);
    add_cut(reset, *wanted);
    reset->callback([&options, wanted] { run(options, call_of("flows.reset", *wanted), cut_table()); });

    CLI::App* block = add_verdict(flows, "block",
                                  "Cut connections, and let none be made again between these ends", *wanted);
    add_cut(block, *wanted);
    block->add_option("--ttl", wanted->ttl, "For so long: 10m; left out: for good")->type_name("TIME");
    block->callback([&options, wanted] { run(options, call_of("flows.block", *wanted), cut_table()); });

    CLI::App* shunt = add_verdict(flows, "shunt", "Have a tool get no more packets of flows", *wanted);
    shunt->add_option("--tool", wanted->tool, "Which tool")->required()->type_name("TOOL");
    shunt->callback([&options, wanted] { run(options, call_of("flows.shunt", *wanted), shunt_table()); });

    CLI::App* release = add_verdict(flows, "release", "Have tools get packets of these flows again", *wanted);
    release->add_option("--tool", wanted->tool, "Which tool; left out: all")->type_name("TOOL");
    release->callback([&options, wanted] { run(options, call_of("flows.release", *wanted), shunt_table()); });
}

}  // namespace yagura::ctl
