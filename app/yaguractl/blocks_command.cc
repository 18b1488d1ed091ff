// SPDX-License-Identifier: BSD-3-Clause
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "app/client/outcome.h"
#include "app/yaguractl/commands.h"
#include "app/yaguractl/item_call.h"
#include "app/yaguractl/table.h"

namespace yagura::ctl {
namespace {

using client::text_in;

struct WantedBlocks {
    std::vector<std::string> targets;
    std::string covering;
    std::string within;
    std::string reason;
    std::string ttl;
    std::string key;
};

/// A page at a time, for there may be a million.
void list_blocks(const Options& options, const WantedBlocks& wanted) {
    Session session(options.socket, options.patience());
    Json params{{"limit", 1000}};
    if (!wanted.covering.empty()) params["covering"] = wanted.covering;
    if (!wanted.within.empty()) params["within"] = wanted.within;
    if (!wanted.reason.empty()) params["reason"] = wanted.reason;
    bool first_page = true;
    bool first_entry = true;
    for (;; first_page = false) {
        const Json page = session.call("blocks.list", params);
        Table table({{"target"}, {"since"}, {"until"}, {"reason"}});
        for (const Json& block : page["blocks"]) {
            if (options.json) {
                fmt::print("{}\n  {}", first_entry ? "[" : ",",
                           block.dump(-1, ' ', false, Json::error_handler_t::replace));
            }
            first_entry = false;
            const std::string until = text_in(block, "until");
            table.add({text_in(block, "target"), text_in(block, "since"), until.empty() ? "for good" : until,
                       text_in(block, "reason")});
        }
        if (!options.json)
            fmt::print("{}", table.text(first_page ? Table::Titles::kShown : Table::Titles::kLeftOut));
        if (page["next"].is_null()) break;
        params["cursor"] = page["next"];
    }
    if (options.json) fmt::print("{}\n]\n", first_entry ? "[" : "");
}

ItemTable target_table() {
    return {.columns = {{"target"}, {"outcome"}, {""}},
            .row = [](const Json& result) -> std::vector<std::string> {
                return {text_in(result, "target"), text_in(result, "outcome"), text_in(result, "message")};
            }};
}

void change_blocks(const Options& options, const char* method, const WantedBlocks& wanted) {
    ItemCall call{.method = method, .list = "targets", .words = wanted.targets, .key = wanted.key};
    if (!wanted.ttl.empty()) call.params["ttl"] = wanted.ttl;
    if (!wanted.reason.empty()) call.params["reason"] = wanted.reason;
    const Json answer = run(options, call, target_table());
    if (!options.json && answer.contains("blocks"))
        fmt::print("{} are blocked now\n", grouped(answer.value("blocks", std::uint64_t{0})));
    const std::string why_not = text_in(answer, "why_not");
    if (!options.json && !why_not.empty()) fmt::print("but nothing is cut: {}\n", printable(why_not));
}

CLI::App* add_change(CLI::App& blocks, const char* name, const char* help, WantedBlocks& wanted) {
    CLI::App* command = blocks.add_subcommand(name, help)->fallthrough();
    command
        ->add_option(
            "target", wanted.targets,
            "A host, a prefix, or a connection: 192.0.2.1, 10.0.0.0/8, 'tcp 10.0.0.1:4000 192.0.2.2:80'; - "
            "is standard input, a target on each line")
        ->required()
        ->type_name("TARGET");
    command
        ->add_option(
            "--key", wanted.key,
            "Names this call: the same again within ten minutes does nothing, and gets the same answer")
        ->type_name("KEY");
    return command;
}

}  // namespace

void add_blocks(CLI::App& app, const Options& options) {
    CLI::App* blocks = app.add_subcommand("blocks", "Who is blocked; or block others, or some no more");
    blocks->fallthrough()->require_subcommand(0, 1);
    auto wanted = std::make_shared<WantedBlocks>();
    CLI::App* list = blocks->add_subcommand("list", "Who is blocked, since when, until when, and why");
    list->add_option("--within", wanted->within, "Only those in this prefix")->type_name("PREFIX");
    list->add_option("--reason", wanted->reason, "Only those with this text in their reason")
        ->type_name("TEXT");
    list->fallthrough()->callback([&options, wanted] { list_blocks(options, *wanted); });

    CLI::App* covering =
        blocks->add_subcommand("covering", "Why something is blocked: all entries that do so");
    covering
        ->add_option(
            "target", wanted->covering,
            "A host, a prefix, or a connection: 192.0.2.1, 10.0.0.0/8, 'tcp 10.0.0.1:4000 > 192.0.2.2:80'")
        ->required()
        ->type_name("TARGET");
    covering->fallthrough()->callback([&options, wanted] { list_blocks(options, *wanted); });

    CLI::App* add = add_change(
        *blocks, "add", "Block hosts, prefixes and connections, and cut what there is of them", *wanted);
    add->add_option("--ttl", wanted->ttl, "For so long: 10m; left out: for good")->type_name("TIME");
    add->add_option("--reason", wanted->reason, "Why")->type_name("TEXT");
    add->callback([&options, wanted] { change_blocks(options, "blocks.add", *wanted); });

    CLI::App* remove = add_change(*blocks, "remove", "Block these no more", *wanted);
    remove->callback([&options, wanted] { change_blocks(options, "blocks.remove", *wanted); });

    blocks->callback([&options, wanted, blocks] {
        if (blocks->get_subcommands().empty()) list_blocks(options, *wanted);
    });
}

}  // namespace yagura::ctl
