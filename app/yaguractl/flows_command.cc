// SPDX-License-Identifier: BSD-3-Clause
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <optional>
#include <string>

#include "app/yaguractl/commands.h"
#include "app/yaguractl/table.h"

namespace yagura::ctl {
namespace {

constexpr std::uint64_t kMostOfPage = 1000;

struct Wanted {
    std::string host;
    std::string protocol;
    std::optional<std::uint64_t> port;
    std::uint64_t limit = 100;
};

/// The first flows; with a filter, pages may be short and not the last.
Json first_flows(Session& session, const Wanted& wanted) {
    Json params = Json::object();
    if (!wanted.host.empty()) params["host"] = wanted.host;
    if (!wanted.protocol.empty()) params["protocol"] = wanted.protocol;
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

std::string tools_of(const Json& flow) {
    if (!flow.contains("tools")) return "decided anew at its next packet";
    std::string text;
    for (const Json& tool : flow["tools"]) {
        text += fmt::format("{}{}", text.empty() ? "" : ", ", tool.get<std::string>());
    }
    if (text.empty()) text = "-";
    return flow.value("decided", false) ? text : text + " (undecided)";
}

void list_flows(const Options& options, const Wanted& wanted) {
    Session session(options.socket);
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

}  // namespace

void add_flows(CLI::App& app, const Options& options) {
    auto wanted = std::make_shared<Wanted>();
    CLI::App* command =
        app.add_subcommand("flows", "Flows in the tables, their state, and the tools that get them");
    command->add_option("--host", wanted->host, "Only those of which one end has this address")
        ->type_name("ADDRESS");
    command->add_option("--port", wanted->port, "Only those of which one end has this port")
        ->type_name("PORT");
    command->add_option("--protocol", wanted->protocol, "Only those of this protocol: tcp, udp, 47")
        ->type_name("NAME");
    command->add_option("--limit", wanted->limit, "So many at most")->capture_default_str()->type_name("N");
    command->fallthrough()->callback([&options, wanted] { list_flows(options, *wanted); });
}

}  // namespace yagura::ctl
