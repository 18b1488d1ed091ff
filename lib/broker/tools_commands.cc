// SPDX-License-Identifier: BSD-3-Clause
// Methods of the control socket: tools.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "broker/control_plane.h"
#include "broker/live.h"
#include "broker/report.h"
#include "broker/utc.h"
#include "rules/keys.h"
#include "rules/report.h"

namespace yagura::broker {
namespace {

using control::Answer;
using control::Arguments;
using control::Call;
using control::Effect;
using control::ParameterType;
using control::Role;
using control::RpcCode;
using control::RpcError;

constexpr std::uint64_t kMaxDuration = 32;  ///< bytes

bool has(const std::vector<rules::GroupMember>& members, base::ToolId tool) {
    return std::ranges::find(members, tool, &rules::GroupMember::tool) != members.end();
}

/// The groups that a tool is in, but for its own.
Json groups_of(const rules::Config& config, base::ToolId tool) {
    Json groups = Json::array();
    for (const rules::ToolGroup& group : config.tool_groups) {
        const bool standby = has(group.standby, tool);
        if (group.implicit || (!standby && !has(group.members, tool))) continue;
        Json entry{{"name", group.name}, {"mode", rules::word_of(rules::kModes, group.mode)}};
        if (standby) entry["standby"] = true;
        groups.push_back(std::move(entry));
    }
    return groups;
}

Json names_json(const rules::Config& config, const std::vector<base::ToolId>& tools) {
    Json names = Json::array();
    for (const base::ToolId tool : tools) names.push_back(config.tool(tool)->name);
    return names;
}

/// Without what is not limited.
Json limit_json(const dataplane::ToolLimit& limit) {
    Json json = Json::object();
    if (limit.rate != 0) json["rate"] = limit.rate;
    json["queue_packets"] = limit.queue_packets;
    if (limit.rate != 0) json["queue_bytes"] = limit.queue_bytes;
    return json;
}

Json tools(LiveRun& run, const ToolSwitch& tool_switch) {
    const dataplane::Stats& stats = run.stats();
    const auto ports = run.config.tool_ports();
    std::array<std::vector<base::ToolId>, base::kMaxTools> stand_ins_of;
    std::array<std::vector<base::ToolId>, base::kMaxTools> stands_in_for;
    for (const rules::Port* port : ports) {
        const base::ToolId tool = rules::tool_id(*port);
        stand_ins_of[tool.index()] = stand_ins(run.config, tool, run.down_tools);
        for (const base::ToolId other : stand_ins_of[tool.index()])
            stands_in_for[other.index()].push_back(tool);
    }
    Json list = Json::array();
    for (const rules::Port* port : ports) {
        const base::ToolId tool = rules::tool_id(*port);
        Json entry{{"name", port->name},
                   {"role", rules::word_of(rules::kRoles, port->role)},
                   {"device", port->device},
                   {"up", (run.down_tools >> tool.value() & 1) == 0},
                   {"stand_ins", names_json(run.config, stand_ins_of[tool.index()])},
                   {"stands_in_for", names_json(run.config, stands_in_for[tool.index()])},
                   {"groups", groups_of(run.config, tool)}};
        if (const auto& mirror = tool_switch.mirroring(); mirror && mirror->from == port->name) {
            entry["mirrors"] = {{"tool", mirror->to}, {"ends", utc_ms(mirror->ends_at)}};
        }
        if (const dataplane::ToolLimit limit = limit_of(*port); limit.limits())
            entry["limit"] = limit_json(limit);
        entry.update(tool_json(stats.tools[tool.index()]));
        list.push_back(std::move(entry));
    }
    return {{"tools", std::move(list)}};
}

/// The tool port of this name, of which the parameter speaks.
std::variant<base::ToolId, RpcError> find_tool(const rules::Config& config, const std::string& name,
                                               const char* parameter) {
    const auto tools = config.tool_ports();
    const auto found = std::ranges::find(tools, name, &rules::Port::name);
    if (found != tools.end()) return rules::tool_id(**found);
    std::string known;
    for (const rules::Port* tool : tools) known += (known.empty() ? "" : ", ") + tool->name;
    return RpcError{.code = RpcCode::kInvalidParams,
                    .message = fmt::format("there is no tool port {}; there are {}", rules::in_quotes(name),
                                           known.empty() ? "none" : known),
                    .field = fmt::format("params/{}", parameter)};
}

Answer switch_tools(ControlPlane& plane, const Arguments& arguments, Call& call) {
    const rules::Config& config = plane.run().config;
    const auto from = find_tool(config, *arguments.text("from"), "from");
    if (const auto* error = std::get_if<RpcError>(&from)) return *error;
    const auto to = find_tool(config, *arguments.text("to"), "to");
    if (const auto* error = std::get_if<RpcError>(&to)) return *error;
    ToolSwitch::Wish wish{.from = std::get<base::ToolId>(from), .to = std::get<base::ToolId>(to)};
    if (const std::string* text = arguments.text("mirror")) {
        const auto mirror = rules::parse_duration(*text);
        if (!mirror || *mirror > ToolSwitch::kMaxMirror) {
            return RpcError{.code = RpcCode::kInvalidParams,
                            .message = "mirror is a duration above zero, up to 24h: \"30s\"",
                            .field = "params/mirror"};
        }
        wish.mirror = *mirror;
    }
    return plane.later(call, [&](const ToolSwitch::Done& done) {
        plane.tool_switch().begin(wish, origin_of("tools.switch", call), done);
    });
}

}  // namespace

void add_tools_commands(control::CommandTable& table, ControlPlane& plane) {
    table.add({.name = "tools.list",
               .help = "Tool ports: whether they are up, the groups they are in, who stands in for whom, and "
                       "their ledger",
               .right = Role::kViewer,
               .effect = Effect::kReads,
               .parameters = {},
               .handler = [&plane](const Arguments&, Call&) -> Answer {
                   return tools(plane.run(), plane.tool_switch());
               }});
    table.add(
        {.name = "tools.switch",
         .help =
             "Puts a tool in the place of another, in all groups and rules, while traffic flows: it has the "
             "other's flows, and no other flow moves",
         .right = Role::kOperator,
         .effect = Effect::kChanges,
         .parameters = {{.name = "from",
                         .type = ParameterType::kText,
                         .help = "the tool port that is taken out",
                         .required = true,
                         .high = rules::kMaxNameBytes},
                        {.name = "to",
                         .type = ParameterType::kText,
                         .help = "the tool port that takes its place",
                         .required = true,
                         .high = rules::kMaxNameBytes},
                        {.name = "mirror",
                         .type = ParameterType::kText,
                         .help =
                             "how long both get the same before the one is taken out (\"30s\", up to 24h)",
                         .high = kMaxDuration}},
         .handler = [&plane](const Arguments& arguments, Call& call) -> Answer {
             return switch_tools(plane, arguments, call);
         }});
}

}  // namespace yagura::broker
