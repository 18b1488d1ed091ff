// SPDX-License-Identifier: BSD-3-Clause
// Methods of the control socket: what runs, whether it is well, its end.
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <rte_version.h>
#include <unistd.h>

#include "broker/control_plane.h"

namespace yagura::broker {
namespace {

using control::Answer;
using control::Arguments;
using control::Call;
using control::Effect;
using control::Json;
using control::Role;

}  // namespace

Json live_info(const ControlPlane& plane, const LiveRun& run) {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(run.started);
    Json json{{"name", "yagura"},
              {"version", run.program_version},
              {"dpdk", rte_version()},
              {"pid", getpid()},
              {"started", fmt::format("{:%Y-%m-%dT%H:%M:%SZ}",
                                      fmt::gmtime(std::chrono::system_clock::to_time_t(seconds)))},
              {"uptime_ms", run.uptime().count()},
              {"config_file", run.config_path},
              {"config_version", run.version},
              {"lcores", run.plan.to_string()},
              {"hugepages", run.hugepages},
              {"network_ports", run.config.network_ports().size()},
              {"tool_ports", run.config.tool_ports().size()},
              {"rules", run.config.rules.size()},
              {"disabled_features", run.config.disabled_features}};
    const std::string cache = plane.maker().folder();
    json["cache"] = cache.empty() ? Json(nullptr) : Json(cache);
    if (const control::ControlServer* server = plane.server()) {
        const control::ServerCounters& counters = server->counters();
        json["control"] = {{"socket", server->path()},
                           {"connections", server->connections()},
                           {"accepted", counters.accepted},
                           {"refused", counters.refused},
                           {"requests", counters.requests},
                           {"errors", counters.errors},
                           {"missed_updates", counters.missed_updates}};
    }
    return json;
}

Json live_health(const ControlPlane& plane, LiveRun& run) {
    const dataplane::Stats& stats = run.stats();
    const Health::Lately lately = plane.health().lately(stats, run.config);
    const std::vector<unsigned>& stalled = plane.health().stalled();
    Json reasons = Json::array();
    for (const unsigned lcore : stalled)
        reasons.push_back(fmt::format("lcore {} has stopped turning", lcore));
    if (lately.lost != 0) {
        reasons.push_back(fmt::format("{} packets were lost in the last {} seconds; stats.get says where",
                                      lately.lost, Health::kMemory.count()));
    }
    Json down = Json::array();
    for (const rules::Port* tool : run.config.tool_ports()) {
        if ((run.down_tools >> tool->place & 1) == 0) continue;
        const auto others = stand_ins(run.config, rules::tool_id(*tool), run.down_tools);
        down.push_back(tool->name);
        reasons.push_back(fmt::format("tool {} is down: {}", tool->name,
                                      others.empty() ? "what it would get is shed"
                                                     : "its flows go to " + tool_names(run.config, others)));
    }
    const std::vector<std::string> silent = run.ports->down_networks();
    for (const std::string& port : silent)
        reasons.push_back(fmt::format("network port {} is down: nothing is received by it", port));
    const std::size_t before_responses = reasons.size();
    Json response = plane.responses().health(reasons);
    const bool does_not_respond = reasons.size() != before_responses;
    if (run.draining) reasons.push_back("it is ending: nothing is received any more");
    Json audit;
    bool audit_fails = false;
    if (const control::AuditLog* log = plane.audit().log()) {
        const control::AuditHealth of_log = log->health();
        audit_fails = of_log.failing || of_log.lost != 0;
        if (audit_fails) {
            reasons.push_back(
                fmt::format("the audit log has lost {} records: {}", of_log.lost, of_log.failure));
        }
        audit = {{"records", of_log.records},
                 {"lost", of_log.lost},
                 {"heads", of_log.heads},
                 {"heads_failed", of_log.heads_failed},
                 {"heads_unsent", of_log.heads_unsent},
                 {"first_key_here", of_log.first_key_here}};
    }
    const bool degraded = !down.empty() || !silent.empty() || does_not_respond;
    return {{"status", !stalled.empty()   ? "stalled"
                       : run.draining     ? "ending"
                       : lately.lost != 0 ? "losing"
                       : audit_fails      ? "unaudited"
                       : degraded         ? "degraded"
                                          : "ok"},
            {"reasons", std::move(reasons)},
            {"uptime_ms", run.uptime().count()},
            {"lost", stats.lost()},
            {"lost_lately", lately.lost},
            {"shed_lately", lately.shed},
            {"down_tools", std::move(down)},
            {"down_ports", silent},
            {"response", std::move(response)},
            {"audit", std::move(audit)}};
}

void add_system_commands(control::CommandTable& table, ControlPlane& plane) {
    table.add({.name = "system.info",
               .help = "What runs: versions, configuration, lcores, the control socket, and who asks",
               .right = Role::kViewer,
               .effect = Effect::kReads,
               .parameters = {},
               .handler = [&plane](const Arguments&, Call& call) -> Answer {
                   Json json = live_info(plane, plane.run());
                   json["caller"] = {{"uid", call.peer().uid}, {"roles", call.roles().to_string()}};
                   return json;
               }});
    table.add(
        {.name = "system.health",
         .help = "Whether all is well: ok, degraded, losing, unaudited, stalled or ending, and why",
         .right = Role::kViewer,
         .effect = Effect::kReads,
         .parameters = {},
         .handler = [&plane](const Arguments&, Call&) -> Answer { return live_health(plane, plane.run()); }});
    table.add({.name = "system.shutdown",
               .help = "Ends the run as SIGTERM does: what is inside reaches its end first",
               .right = Role::kAdmin,
               .effect = Effect::kMakesSafer,
               .parameters = {},
               .handler = [&plane](const Arguments&, Call&) -> Answer {
                   plane.run().stop_wanted = true;
                   return Json{{"ending", true}};
               }});
}

}  // namespace yagura::broker
