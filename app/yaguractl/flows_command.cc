// SPDX-License-Identifier: BSD-3-Clause
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <optional>
#include <string>

#include "app/client/outcome.h"
#include "app/yaguractl/commands.h"
#include "app/yaguractl/table.h"

namespace yagura::ctl {
namespace {

constexpr std::uint64_t kMostOfPage = 1000;

struct WantedFlows {
    std::string host;
    std::string protocol;
    std::string shed;
    std::string shunted;
    std::optional<std::uint64_t> port;
    std::uint64_t limit = 100;
};

/// The first flows; with a filter, pages may be short and not the last.
Json first_flows(Session& session, const WantedFlows& wanted) {
    Json params = Json::object();
    if (!wanted.host.empty()) params["host"] = wanted.host;
    if (!wanted.protocol.empty()) params["protocol"] = wanted.protocol;
    if (!wanted.shed.empty()) params["shed"] = wanted.shed;
    if (!wanted.shunted.empty()) params["shunted"] = wanted.shunted;
    if (wanted.port) params["port"] = *wanted.port;
    Json flows = Json::array();
    while (flows.size() < wanted.limit) {
        params["limit"] = std::min<std::uint64_t>(kMostOfPage, wanted.limit - flows.size());
        Json page = session.call("flows.list", params);
        for (Json& flow : page["flows"]) flows.push_back(std::move(flow));
        if (page["next"].is_null()) break;
        params["cursor"] = page["next"];
    }
    return flows;
}

bool has(const Json& names, const Json& name) {
    return std::ranges::find(names, name) != names.end();
}

/// "ids0 (shunted), ids1 (shed), rec0 (cut)"
std::string tools_of(const Json& flow) {
    if (!flow.contains("tools")) return "decided anew at its next packet";
    const Json shed = flow.value("shed_tools", Json::array());
    const Json cut = flow.value("cut_tools", Json::array());
    const Json shunted = flow.value("shunted_tools", Json::array());
    std::string text;
    for (const Json& tool : flow["tools"]) {
        text += fmt::format("{}{}{}", text.empty() ? "" : ", ", printable(tool.get<std::string>()),
                            has(shunted, tool) ? " (shunted)"
                            : has(cut, tool)   ? " (cut)"
                            : has(shed, tool)  ? " (shed)"
                                               : "");
    }
    if (text.empty()) text = "-";
    return flow.value("decided", false) ? text : text + " (undecided)";
}

void list_flows(const Options& options, const WantedFlows& wanted) {
    Session session(options.socket, options.patience());
    const Json flows = first_flows(session, wanted);
    if (options.json) return print_json(flows);
    Table table({{"flow"}, {"state"}, {"lcore", Table::Align::kRight}, {"tools"}});
    for (const Json& flow : flows) {
        std::string state = flow.value("state", "");
        if (!flow.value("answered", true)) state += state.empty() ? "one-sided" : ", one-sided";
        table.add({flow.value("flow", ""), state, std::to_string(flow.value("lcore", 0u)), tools_of(flow)});
    }
    fmt::print("{}", table.text());
}

std::string ids_of(const Json& rules) {
    std::string text;
    for (const Json& id : rules) text += fmt::format("{}{}", text.empty() ? "" : ", ", id.dump());
    return text.empty() ? "none" : text;
}

std::string names_of(const Json& names) {
    std::string text;
    for (const Json& name : names)
        text += fmt::format("{}{}", text.empty() ? "" : ", ", name.get<std::string>());
    return text.empty() ? "nobody" : text;
}

void print_inspection(const Json& inspection) {
    for (const Json& direction : inspection["directions"]) {
        fmt::print("  payload from {}: {} of {} bytes matched", direction.value("from", ""),
                   grouped(direction.value("matched", std::uint64_t{0})),
                   grouped(direction.value("depth", std::uint64_t{0})));
        if (const auto waiting = direction.value("waiting", std::uint64_t{0}); waiting != 0)
            fmt::print(", {} wait for those before them", grouped(waiting));
        fmt::print("{}\n", direction.value("ended", false) ? ", no more is" : "");
    }
    fmt::print("  held: {} packets, {} bytes{}\n",
               grouped(inspection.value("held_packets", std::uint64_t{0})),
               grouped(inspection.value("held_bytes", std::uint64_t{0})),
               inspection.value("hold_full", false) ? ", which is all that may be" : "");
}

/// What is done about the flow; nothing where connections are not cut.
void print_response(const Json& flow) {
    for (const Json& block : flow.value("blocked_by", Json::array())) {
        const std::string until = client::text_in(block, "until");
        const std::string reason = client::text_in(block, "reason");
        fmt::print("  blocked by: {} {}{}\n", printable(client::text_in(block, "target")),
                   until.empty() ? "for good" : "until " + printable(until),
                   reason.empty() ? "" : ": " + printable(reason));
    }
    const Json shunted = flow.value("shunted_tools", Json::array());
    if (!shunted.empty()) fmt::print("  shunted from: {}\n", names_of(shunted));
    const Json cut = flow.value("cut", Json());
    if (!cut.is_object()) return;
    const std::string cause = client::text_in(cut, "cause");
    const std::string source = cut.contains("rule")   ? " " + cut["rule"].dump()
                               : cut.contains("tool") ? " " + printable(client::text_in(cut, "tool"))
                                                      : "";
    const std::string state = client::text_in(cut, "state");
    fmt::print("  cut: {}{}\n", state == "going_on" ? "goes on" : printable(state),
               cause.empty() ? "" : fmt::format(", wanted by {}{}", printable(cause), source));
}

void print_flow(const Json& flow) {
    std::string state = flow.value("state", "");
    if (!flow.value("answered", true)) state += state.empty() ? "one-sided" : ", one-sided";
    fmt::print("{}\n", flow.value("flow", ""));
    if (!state.empty()) fmt::print("  state: {}\n", state);
    fmt::print("  last packet: {:.1f} s ago, on lcore {}\n",
               static_cast<double>(flow.value("idle_ms", std::uint64_t{0})) / 1000, flow.value("lcore", 0u));
    print_response(flow);
    if (!flow.contains("rules")) {
        fmt::print("  rules: it is decided anew at its next packet\n");
        return;
    }
    if (flow["config_version"].is_number())
        fmt::print("  rules of version: {}\n", flow["config_version"].get<std::uint64_t>());
    fmt::print("  rules in effect: {}\n", ids_of(flow["rules"]));
    if (!flow["waiting"].empty())
        fmt::print("  rules behind a drop that is open: {}\n", ids_of(flow["waiting"]));
    if (!flow["open"].empty()) {
        const auto more = flow.value("open_count", std::uint64_t{0}) - flow["open"].size();
        fmt::print("  rules that are open: {}{}\n", ids_of(flow["open"]),
                   more == 0 ? "" : fmt::format(" and {} more", grouped(more)));
    }
    fmt::print("  {}\n", flow.value("decided", false) ? "decided" : "waits for: " + names_of(flow["awaits"]));
    for (const Json& tool : flow["tools"]) {
        std::string by;
        for (const Json& way : tool.value("by", Json::array()))
            by += fmt::format("{}rule {} by {}", by.empty() ? "" : ", ", way["rule"].dump(),
                              way.value("group", ""));
        fmt::print("  goes to: {}{}\n", tool.value("tool", ""), by.empty() ? "" : " (" + by + ")");
    }
    if (flow["reason"].is_string()) fmt::print("  dropped: {}\n", flow["reason"].get<std::string>());
    fmt::print("  was offered to: {}\n", names_of(flow["offered"]));
    if (flow.value("late_drop", false)) fmt::print("  a drop came after packets had been sent\n");
    if (flow.value("incomplete", false))
        fmt::print("  packets of it were let go that a tool should have got\n");
    if (flow["inspection"].is_object()) print_inspection(flow["inspection"]);
}

void explain_flow(const Options& options, const std::string& flow) {
    Session session(options.socket, options.patience());
    const Json answer = session.call("flows.explain", {{"flow", flow}});
    if (options.json) return print_json(answer);
    for (const Json& one : answer["flows"]) print_flow(one);
}

}  // namespace

void add_flows(CLI::App& app, const Options& options) {
    auto wanted = std::make_shared<WantedFlows>();
    CLI::App* command = app.add_subcommand(
        "flows", "Flows in the tables, their state, and the tools that get them; or cut some");
    command->add_option("--host", wanted->host, "Only those of which one end has this address")
        ->type_name("ADDRESS");
    command->add_option("--port", wanted->port, "Only those of which one end has this port")
        ->type_name("PORT");
    command->add_option("--protocol", wanted->protocol, "Only those of this protocol: tcp, udp, 47")
        ->type_name("NAME");
    command
        ->add_option("--shed", wanted->shed, "Only those that this tool could not take, or not to their end")
        ->type_name("TOOL");
    command->add_option("--shunted", wanted->shunted, "Only those that this tool wants no more of")
        ->type_name("TOOL");
    command->add_option("--limit", wanted->limit, "So many at most")->capture_default_str()->type_name("N");
    command->fallthrough()->require_subcommand(0, 1);
    auto flow = std::make_shared<std::string>();
    CLI::App* explain = command->add_subcommand("explain", "What becomes of one flow, and by which rules");
    explain->add_option("flow", *flow, "As flows prints it, in either direction: 'tcp A:p > B:p'")
        ->required()
        ->type_name("FLOW");
    explain->fallthrough()->callback([&options, flow] { explain_flow(options, *flow); });
    add_flow_verdicts(*command, options);
    command->callback([&options, wanted, command] {
        if (command->get_subcommands().empty()) list_flows(options, *wanted);
    });
}

}  // namespace yagura::ctl
