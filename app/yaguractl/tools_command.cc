// SPDX-License-Identifier: BSD-3-Clause
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "app/yaguractl/commands.h"
#include "app/yaguractl/counts.h"
#include "app/yaguractl/table.h"

namespace yagura::ctl {
namespace {

std::string joined(const Json& names, std::string_view separator = ", ") {
    std::string text;
    for (const Json& name : names) {
        const std::string word =
            name.is_string() ? name.get<std::string>() : std::to_string(name.get<std::uint64_t>());
        text += fmt::format("{}{}", text.empty() ? "" : separator, word);
    }
    return text;
}

std::string tool_state(const Json& tool) {
    if (!tool.value("up", true)) {
        const std::string others = joined(tool.value("stand_ins", Json::array()));
        return others.empty() ? "DOWN, nobody stands in" : "DOWN, for it: " + others;
    }
    const std::string others = joined(tool.value("stands_in_for", Json::array()));
    std::string text = others.empty() ? "up" : "up, for " + others + " too";
    if (tool.contains("mirrors")) {
        text += fmt::format(", mirrors {} until {}", tool["mirrors"].value("tool", ""),
                            tool["mirrors"].value("ends", ""));
    }
    return text;
}

void list_tools(const Options& options) {
    Session session(options.socket, options.patience());
    const Json tools = session.call("tools.list")["tools"];
    if (options.json) return print_json(tools);
    Table table({{"tool"},
                 {"device"},
                 {"state"},
                 {"groups"},
                 {"sent", Table::Align::kRight},
                 {"flows", Table::Align::kRight},
                 {"shed"}});
    for (const Json& tool : tools) {
        std::string groups;
        for (const Json& group : tool.value("groups", Json::array())) {
            groups += fmt::format("{}{} ({}{})", groups.empty() ? "" : ", ", group.value("name", ""),
                                  group.value("mode", ""), group.value("standby", false) ? ", standby" : "");
        }
        table.add({tool.value("name", ""), tool.value("device", ""), tool_state(tool),
                   groups.empty() ? "-" : groups, packets(tool["sent"]), grouped(number(tool["flows"])),
                   sheds(tool)});
    }
    fmt::print("{}", table.text());
}

struct Wish {
    std::string from;
    std::string to;
    std::string mirror;
};

void switch_tool(const Options& options, const Wish& wish) {
    Json params{{"from", wish.from}, {"to", wish.to}};
    if (!wish.mirror.empty()) params["mirror"] = wish.mirror;
    Session session(options.socket, options.long_patience());
    const Json answer = session.call("tools.switch", params);
    if (options.json) return print_json(answer);
    const std::string groups = joined(answer.value("groups", Json::array()));
    const std::string rules = joined(answer.value("rules", Json::array()));
    std::string places = groups.empty() ? "" : "groups: " + groups;
    if (!rules.empty()) places += (places.empty() ? "rules: " : "; rules: ") + rules;
    if (places.empty()) {
        fmt::print("version {} is in effect as it was\n", number(answer["new_version"]));
    } else {
        fmt::print(
            "version {} is in effect instead of {}, taken up in {:.1f} ms: {} has the place of {} ({})\n",
            number(answer["new_version"]), number(answer["old_version"]), answer.value("swap_ms", 0.0),
            wish.to, wish.from, places);
    }
    if (const Json& ended = answer["ended_mirror"]; ended.is_object()) {
        fmt::print("the mirror of {} by {} has ended by it\n", ended.value("to", ""),
                   ended.value("from", ""));
    }
    if (answer["mirror_ends"].is_string()) {
        fmt::print("{} gets the same until {}; the same command without --mirror ends it now\n", wish.from,
                   answer.value("mirror_ends", ""));
    }
    if (const std::uint64_t old = number(answer["flows_on_old"]); old != 0) {
        fmt::print("{} flows are inspected by the rules of before, for 30 seconds at most\n", grouped(old));
    }
}

}  // namespace

void add_tools(CLI::App& app, const Options& options) {
    CLI::App* tools = app.add_subcommand(
        "tools", "Tools: whether they are up, who stands in for whom, what they got; or switch");
    tools->fallthrough()->require_subcommand(0, 1);
    auto wish = std::make_shared<Wish>();
    CLI::App* change =
        tools->add_subcommand("switch", "Put a tool in another's place, with its flows, while traffic flows");
    change->add_option("from", wish->from, "The tool port that is taken out")->required()->type_name("FROM");
    change->add_option("to", wish->to, "The tool port that takes its place")->required()->type_name("TO");
    change->add_option("--mirror", wish->mirror, "Let both get the same for this long first: 30s")
        ->type_name("TIME");
    change->fallthrough()->callback([&options, wish] { switch_tool(options, *wish); });
    tools->callback([&options, tools] {
        if (tools->get_subcommands().empty()) list_tools(options);
    });
}

}  // namespace yagura::ctl
