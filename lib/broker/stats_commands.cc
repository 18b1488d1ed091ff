// SPDX-License-Identifier: BSD-3-Clause
// Methods of the control socket: counters and ports.
#include "broker/control_plane.h"
#include "broker/paging.h"
#include "broker/report.h"
#include "rules/keys.h"

namespace yagura::broker {
namespace {

using control::Answer;
using control::Arguments;
using control::Call;
using control::Effect;
using control::Parameter;
using control::ParameterType;
using control::Role;

constexpr std::uint64_t kMinInterval = 100;  // ms
constexpr std::uint64_t kMaxInterval = 3'600'000;
constexpr std::uint64_t kUsualInterval = 1000;

Json ports_page(LiveRun& run, const Arguments& arguments) {
    const dataplane::Stats& stats = run.stats();
    const Page page = page_of(arguments, run.config.ports.size());
    Json list = Json::array();
    for (std::size_t i = page.begin; i < page.end; ++i) {
        const rules::Port& port = run.config.ports[i];
        Json entry{
            {"name", port.name}, {"role", rules::word_of(rules::kRoles, port.role)}, {"device", port.device}};
        if (port.role == rules::PortRole::kNetwork) {
            entry["queues"] = port.queues;
            if (!port.link.empty()) entry["link"] = port.link;
            if (const rules::Port* other = run.config.other_end(port)) entry["other_end"] = other->name;
            entry.update(port_json(stats.ports[port.place]));
        }
        list.push_back(std::move(entry));
    }
    return {{"ports", std::move(list)}, {"next", page.next()}};
}

}  // namespace

Json live_stats(LiveRun& run) {
    const dataplane::Stats& stats = run.stats();
    Json json{{"uptime_ms", run.uptime().count()}, {"config_version", run.version}, {"lost", stats.lost()}};
    json["ports"] = Json::object();
    for (const rules::Port* port : run.config.network_ports())
        json["ports"][port->name] = port_json(stats.ports[port->place]);
    json["tools"] = Json::object();
    for (const rules::Port* tool : run.config.tool_ports())
        json["tools"][tool->name] = tool_json(stats.tools[tool->place]);
    json.update(sums_json(stats, run.config));
    json["threads"] = Json::array();
    for (const dataplane::ThreadStats& thread : stats.threads) json["threads"].push_back(thread_json(thread));
    json["flows"] = stats.flows;
    json["inspected"] = stats.inspected;
    json["flows_on_old"] = stats.inspected_before;
    json["held_bytes"] = stats.held_blocks * flow::BlockStore::kBlockSize;
    json["incomplete_sessions"] = stats.incomplete;
    json["streams"] = streams_json(stats.streams);
    json["exhausted"] = exhausted_json(stats);
    if (stats.response) json["response"] = response_json(stats, run.config);
    return json;
}

void add_stats_commands(control::CommandTable& table, ControlPlane& plane) {
    table.add({.name = "stats.get",
               .help = "All counters but those by rule (rules.list)",
               .right = Role::kViewer,
               .effect = Effect::kReads,
               .parameters = {},
               .handler = [&plane](const Arguments&, Call&) -> Answer { return live_stats(plane.run()); }});
    table.add(
        {.name = "stats.subscribe",
         .help =
             "Sends what stats.get says at intervals, as notifications of the method stats. Whoever does not "
             "read them in time loses some: `missed` counts them",
         .right = Role::kViewer,
         .effect = Effect::kReads,
         .parameters = {{.name = "interval_ms",
                         .type = ParameterType::kNumber,
                         .help = "milliseconds between two; 1000 when it is left out",
                         .low = kMinInterval,
                         .high = kMaxInterval}},
         .handler = [](const Arguments& arguments, Call& call) -> Answer {
             const std::uint64_t interval = arguments.number("interval_ms").value_or(kUsualInterval);
             call.subscribe(std::chrono::milliseconds(interval));
             return Json{{"interval_ms", interval}};
         }});
    table.add({.name = "stats.unsubscribe",
               .help = "Ends the notifications of this connection",
               .right = Role::kViewer,
               .effect = Effect::kReads,
               .parameters = {},
               .handler = [](const Arguments&, Call& call) -> Answer {
                   return Json{{"was_subscribed", call.unsubscribe()}};
               }});
    table.add(
        {.name = "ports.list",
         .help = "Network and tool ports in the order of the configuration; of network ports their ledger",
         .right = Role::kViewer,
         .effect = Effect::kReads,
         .parameters = page_parameters(),
         .handler = [&plane](const Arguments& arguments, Call&) -> Answer {
             return ports_page(plane.run(), arguments);
         }});
}

}  // namespace yagura::broker
