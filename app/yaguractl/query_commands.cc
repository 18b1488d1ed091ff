// SPDX-License-Identifier: BSD-3-Clause
// What runs, how it is, what it counts.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <functional>

#include "app/yaguractl/commands.h"
#include "app/yaguractl/counts.h"
#include "app/yaguractl/table.h"

namespace yagura::ctl {
namespace {

using Align = Table::Align;

std::string info_text(const Json& info) {
    std::string text =
        fmt::format("yagura {} ({}), process {}, up {}\n", info.value("version", ""), info.value("dpdk", ""),
                    number(info["pid"]), duration(number(info["uptime_ms"])));
    text +=
        fmt::format("configuration  {} (version {}, {} rules)\n", printable(info.value("config_file", "")),
                    number(info["config_version"]), number(info["rules"]));
    text += fmt::format("ports          {} network, {} tool\n", number(info["network_ports"]),
                        number(info["tool_ports"]));
    text += fmt::format("lcores         {}{}\n", info.value("lcores", ""),
                        info.value("hugepages", false) ? ", with hugepages" : ", without hugepages");
    const Json control = info.value("control", Json::object());
    text += fmt::format("control        {}: {} connections, {} requests, {} refused\n",
                        printable(control.value("socket", "")), number(control["connections"]),
                        number(control["requests"]), number(control["refused"]));
    std::string off;
    for (const Json& feature : info.value("disabled_features", Json::array())) {
        off += fmt::format("{}{}", off.empty() ? "" : ", ", printable(feature.get<std::string>()));
    }
    if (!off.empty()) text += fmt::format("switched off   {}\n", off);
    const Json caller = info.value("caller", Json::object());
    return text +
           fmt::format("you            uid {}: {}\n", number(caller["uid"]), caller.value("roles", ""));
}

std::string health_text(const Json& health) {
    std::string text = fmt::format("{}: up {}, {} packets lost\n", health.value("status", ""),
                                   duration(number(health["uptime_ms"])), grouped(number(health["lost"])));
    for (const Json& reason : health.value("reasons", Json::array())) {
        text += fmt::format("  {}\n", printable(reason.get<std::string>()));
    }
    return text;
}

std::string stats_text(const Json& stats) {
    Table ports({{"network port"},
                 {"received", Align::kRight},
                 {"bytes", Align::kRight},
                 {"forwarded", Align::kRight},
                 {"held", Align::kRight},
                 {"dropped"}});
    for (const auto& [name, port] : stats["ports"].items()) {
        ports.add({name, packets(port["received"]), bytes(port["received"]), packets(port["forwarded"]),
                   packets(port["held"]), reasons(port["dropped"])});
    }
    Table tools({{"tool"},
                 {"offered", Align::kRight},
                 {"sent", Align::kRight},
                 {"bytes", Align::kRight},
                 {"flows", Align::kRight},
                 {"shed"}});
    for (const auto& [name, tool] : stats["tools"].items()) {
        tools.add({name, packets(tool["offered"]), packets(tool["sent"]), bytes(tool["sent"]),
                   grouped(number(tool["flows"])), sheds(tool)});
    }
    const Json links = stats.value("links", Json::object());
    for (const auto& [name, link] : links.items()) {
        ports.add({"link " + name, packets(link["received"]), bytes(link["received"]),
                   packets(link["forwarded"]), packets(link["held"]), reasons(link["dropped"])});
    }
    if (stats.contains("removed_ports")) {
        const Json& gone = stats["removed_ports"];
        ports.add({"(removed)", packets(gone["received"]), bytes(gone["received"]),
                   packets(gone["forwarded"]), packets(gone["held"]), reasons(gone["dropped"])});
    }
    std::string text = ports.text() + "\n" + tools.text();
    text += fmt::format("\nlost {}, flows {}, inspected {}, held {} bytes, up {}\n",
                        grouped(number(stats["lost"])), grouped(number(stats["flows"])),
                        grouped(number(stats["inspected"])), grouped(number(stats["held_bytes"])),
                        duration(number(stats["uptime_ms"])));
    return text;
}

std::string methods_text(const Json& methods) {
    Table table({{"method"}, {"right"}, {"parameters"}, {""}});
    for (const Json& method : methods) {
        std::string parameters;
        for (const Json& parameter : method.value("parameters", Json::array())) {
            const std::string name = parameter.value("name", "");
            parameters += parameters.empty() ? "" : " ";
            parameters += parameter.value("required", false) ? name : "[" + name + "]";
        }
        table.add({method.value("name", ""),
                   method.value("enabled", true) ? method.value("right", "") : "switched off", parameters,
                   method.value("description", "")});
    }
    return table.text();
}

/// A command that asks and prints.
void add_query(CLI::App& app, const Options& options, const char* name, const char* help,
               const std::function<Json(Session&)>& ask, const std::function<std::string(Json)>& show) {
    CLI::App* command = app.add_subcommand(name, help)->fallthrough();
    command->callback([&options, ask, show] {
        Session session(options.socket, options.patience());
        const Json answer = ask(session);
        if (options.json) return print_json(answer);
        fmt::print("{}", show(answer));
    });
}

}  // namespace

void add_queries(CLI::App& app, const Options& options) {
    const auto calling = [](const char* method) {
        return [method](Session& session) { return session.call(method); };
    };
    add_query(app, options, "info", "What runs, since when, with what configuration", calling("system.info"),
              info_text);
    add_query(app, options, "health", "Whether all is well, and why not", calling("system.health"),
              health_text);
    add_query(app, options, "stats", "Counters of ports and tools", calling("stats.get"), stats_text);
    add_query(
        app, options, "methods", "The methods of the control socket, and the right that each needs",
        [](Session& session) { return session.call("rpc.methods")["methods"]; }, methods_text);
    add_query(app, options, "shutdown", "End the run, as SIGTERM does", calling("system.shutdown"),
              [](const Json&) { return std::string("yagura is ending\n"); });
}

}  // namespace yagura::ctl
