// SPDX-License-Identifier: BSD-3-Clause
#include "broker/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

namespace yagura::broker {
namespace {

/// Only the reasons that occurred.
Json drops_json(const dataplane::PortStats& port) {
    Json drops = Json::object();
    for (std::size_t r = 0; r < port.dropped.size(); ++r) {
        if (port.dropped[r].packets == 0) continue;
        drops[std::string(select::drop_reason_name(static_cast<select::DropReason>(r)))] =
            to_json(port.dropped[r]);
    }
    return drops;
}

Json sheds_json(const dataplane::ToolStats& tool) {
    Json sheds = Json::object();
    for (std::size_t r = 0; r < tool.shed.size(); ++r) {
        if (tool.shed[r].packets == 0) continue;
        sheds[std::string(shed_reason_name(static_cast<port::ShedReason>(r)))] = to_json(tool.shed[r]);
    }
    return sheds;
}

}  // namespace

std::string_view shed_reason_name(port::ShedReason reason) {
    switch (reason) {
        case port::ShedReason::kRingFull:
            return "ring_full";
        case port::ShedReason::kToolFull:
            return "tool_full";
        case port::ShedReason::kWriteError:
            return "write_error";
        case port::ShedReason::kNoBuffer:
            return "no_buffer";
        case port::ShedReason::kRate:
            return "rate";
        case port::ShedReason::kTooLarge:
            return "too_large";
        case port::ShedReason::kToolDown:
            return "tool_down";
        case port::ShedReason::kFlowShed:
            return "flow_shed";
        case port::ShedReason::kCount:
            break;
    }
    return "";
}

Json to_json(const base::Count& count) {
    return {{"packets", count.packets}, {"bytes", count.bytes}};
}

Json port_json(const dataplane::PortStats& port) {
    return {{"received", to_json(port.received)},   {"missed", port.missed},
            {"forwarded", to_json(port.forwarded)}, {"dropped", drops_json(port)},
            {"held", to_json(port.held)},           {"in_flight", to_json(port.in_flight)}};
}

namespace {

Json inject_json(const dataplane::InjectStats& port) {
    Json shed = Json::object();
    for (std::size_t r = 0; r < port.shed.size(); ++r) {
        if (port.shed[r].packets != 0)
            shed[shed_reason_name(static_cast<port::ShedReason>(r))] = to_json(port.shed[r]);
    }
    return {{"made", to_json(port.made)}, {"sent", to_json(port.sent)}, {"shed", std::move(shed)}};
}

/// What became of verdicts, for a person; nothing where there were none.
std::string response_text(const dataplane::Stats& stats) {
    if (!stats.response) return {};
    dataplane::InjectStats all = stats.removed_injected;
    for (const dataplane::InjectStats& port : stats.injected) all += port;
    std::string text = fmt::format("\nresponses: {} frames made, {} sent, {} shed", all.made.packets,
                                   all.sent.packets, all.shed_total().packets);
    for (std::size_t i = 1; i < stats.response->outcomes.size(); ++i) {
        if (stats.response->outcomes[i] == 0) continue;
        text += fmt::format("; {} {}", stats.response->outcomes[i],
                            reset::outcome_name(static_cast<reset::Outcome>(i)));
    }
    return text + "\n";
}

}  // namespace

Json tool_json(const dataplane::ToolStats& tool) {
    return {{"offered", to_json(tool.offered)}, {"sent", to_json(tool.sent)},
            {"shed", sheds_json(tool)},         {"flows", tool.flows},
            {"flows_shed", tool.flows_shed},    {"flows_cut", tool.flows_cut}};
}

Json rule_json(const dataplane::RuleStats& rule) {
    return {{"packets", rule.count.packets}, {"bytes", rule.count.bytes}, {"flows", rule.flows}};
}

Json streams_json(const dataplane::StreamStats& streams) {
    return {{"scanned_bytes", streams.scanned_bytes}, {"depth_reached", streams.depth_reached},
            {"out_of_order", streams.out_of_order},   {"retransmissions", streams.retransmissions},
            {"overlaps", streams.overlaps},           {"gaps", streams.gaps},
            {"gap_bytes", streams.gap_bytes},         {"before_start", streams.before_start},
            {"after_end", streams.after_end},         {"out_of_window", streams.out_of_window}};
}

Json exhausted_json(const dataplane::Stats& stats) {
    return {{"flow_table", stats.untracked},
            {"evicted_flows", stats.evicted},
            {"let_go", stats.let_go},
            {"uninspected_flows", stats.uninspected},
            {"hold_refused", stats.hold_refused},
            {"decision_table", stats.decision_overflows},
            {"fragments_unmatched", stats.fragments_unmatched}};
}

Json thread_json(const dataplane::ThreadStats& thread) {
    Json json{{"lcore", thread.lcore},
              {"busy_turns", thread.busy_turns},
              {"empty_turns", thread.empty_turns},
              {"packets", thread.packets}};
    if (!thread.cycles) return json;
    Json cycles;
    for (std::size_t kind = 0; kind < dataplane::kStageKinds; ++kind) {
        cycles[std::string(dataplane::kStageNames[kind])] = thread.cycles->busy[kind];
    }
    cycles["between"] = thread.cycles->between;
    cycles["idle"] = thread.cycles->idle;
    json["cycles"] = std::move(cycles);
    return json;
}

Json stats_json(const dataplane::Stats& stats, const rules::Config& config, bool balanced) {
    Json json;
    json["version"] = 1;
    json["balanced"] = balanced;
    json["lost"] = stats.lost();
    json["ports"] = Json::object();
    for (const rules::Port* port : config.network_ports())
        json["ports"][port->name] = port_json(stats.ports[port->place]);
    json["tools"] = Json::object();
    for (const rules::Port* tool : config.tool_ports())
        json["tools"][tool->name] = tool_json(stats.tools[tool->place]);
    json.update(sums_json(stats, config));
    json["rules"] = Json::object();
    for (std::size_t i = 0; i < config.rules.size(); ++i) {
        json["rules"][std::to_string(config.rules[i].id)] = rule_json(stats.rules[i]);
    }
    json["incomplete_sessions"] = stats.incomplete;
    json["streams"] = streams_json(stats.streams);
    // What ran out, if anything: where one of these is not 0, the result may depend on the number of lcores.
    json["exhausted"] = exhausted_json(stats);
    return json;
}

namespace {

/// The links of a configuration in the order of their first ports, and the sum of those of each.
std::vector<std::pair<std::string, dataplane::PortStats>> links_of(const dataplane::Stats& stats,
                                                                   const rules::Config& config) {
    std::vector<std::pair<std::string, dataplane::PortStats>> links;
    for (const rules::Port* port : config.network_ports()) {
        if (port->link.empty()) continue;
        auto link =
            std::ranges::find(links, port->link, &std::pair<std::string, dataplane::PortStats>::first);
        if (link == links.end()) link = links.insert(link, {port->link, {}});
        link->second += stats.ports[port->place];
    }
    return links;
}

std::string tool_text(const std::string& name, const dataplane::ToolStats& tool) {
    std::string text =
        fmt::format("{:<20} {:>12} {:>14} {:>10}\n", name, tool.sent.packets, tool.sent.bytes, tool.flows);
    for (std::size_t r = 0; r < tool.shed.size(); ++r) {
        if (tool.shed[r].packets == 0) continue;
        text +=
            fmt::format("  shed: {:<12} {:>12} {:>14}\n", shed_reason_name(static_cast<port::ShedReason>(r)),
                        tool.shed[r].packets, tool.shed[r].bytes);
    }
    if (tool.flows_shed + tool.flows_cut != 0)
        text += fmt::format("  flows: {} shed, {} cut in the middle\n", tool.flows_shed, tool.flows_cut);
    return text;
}

std::string port_text(const std::string& name, const dataplane::PortStats& port) {
    std::string text =
        fmt::format("{:<20} {:>12} {:>14}\n", name, port.received.packets, port.received.bytes);
    if (port.missed != 0) text += fmt::format("  {:<18} {:>12} (before yagura)\n", "missed", port.missed);
    text +=
        fmt::format("  {:<18} {:>12} {:>14}\n", "forwarded", port.forwarded.packets, port.forwarded.bytes);
    for (std::size_t r = 0; r < port.dropped.size(); ++r) {
        if (port.dropped[r].packets == 0) continue;
        const auto reason = static_cast<select::DropReason>(r);
        text += fmt::format("  {:<18} {:>12} {:>14}  ({})\n", select::drop_reason_name(reason),
                            port.dropped[r].packets, port.dropped[r].bytes,
                            select::drop_class_name(select::drop_class(reason)));
    }
    return text;
}

}  // namespace

Json sums_json(const dataplane::Stats& stats, const rules::Config& config) {
    Json json = Json::object();
    for (const auto& [name, sum] : links_of(stats, config)) json["links"][name] = port_json(sum);
    if (stats.removed_ports.received != base::Count{} || stats.removed_ports.missed != 0)
        json["removed_ports"] = port_json(stats.removed_ports);
    if (stats.removed_tools.offered != base::Count{}) json["removed_tools"] = tool_json(stats.removed_tools);
    return json;
}

Json response_json(const dataplane::Stats& stats, const rules::Config& config) {
    Json json = Json::object();
    if (!stats.response) return json;
    const dataplane::ResponseStats& response = *stats.response;
    json["outcomes"] = Json::object();
    for (std::size_t i = static_cast<std::size_t>(reset::Outcome::kRunning) + 1; i < response.outcomes.size();
         ++i)
        json["outcomes"][reset::outcome_name(static_cast<reset::Outcome>(i))] = response.outcomes[i];
    const auto of = [&](dataplane::ResponseCause cause) {
        return response.verdicts[static_cast<std::size_t>(cause)];
    };
    json["verdicts"] = {{"control", of(dataplane::ResponseCause::kControl)},
                        {"rules", of(dataplane::ResponseCause::kRule)},
                        {"blocks", of(dataplane::ResponseCause::kBlock)},
                        {"tools", of(dataplane::ResponseCause::kTool)}};
    Json unmade = Json::object();
    for (std::size_t i = 1; i < response.unmade.size(); ++i) {
        if (response.unmade[i] != 0)
            unmade[reset::refusal_name(static_cast<reset::Refusal>(i))] = response.unmade[i];
    }
    if (response.no_buffer != 0) unmade["no_buffer"] = response.no_buffer;
    if (response.no_path != 0) unmade["no_path"] = response.no_path;
    if (response.suppressed != 0) unmade["suppressed"] = response.suppressed;
    json["unmade"] = std::move(unmade);
    json["icmp_errors"] = response.errors;
    json["fronts_full"] = response.fronts_full;
    json["untracked"] = response.untracked;
    json["unreported"] = response.unreported;
    dataplane::InjectStats all = stats.removed_injected;
    json["frames"] = Json::object();
    for (const dataplane::InjectStats& port : stats.injected) all += port;
    json["frames"] = inject_json(all);
    json["ports"] = Json::object();
    base::Count own;
    for (const rules::Port* port : config.network_ports()) {
        if (port->place < stats.injected.size())
            json["ports"][port->name] = inject_json(stats.injected[port->place]);
        own += stats.ports[port->place].dropped[static_cast<std::size_t>(select::DropReason::kOwnFrame)];
    }
    json["own_frames"] = own.packets;
    json["tools"] = Json::object();
    for (const rules::Port* tool : config.tool_ports()) {
        if (tool->place >= response.heard.size()) continue;
        const dataplane::HeardStats& heard = response.heard[tool->place];
        json["tools"][tool->name] = {{"received", heard.received},
                                     {"verdicts", heard.verdicts},
                                     {"ignored",
                                      {{"no_verdict", heard.ignored},
                                       {"not_found", heard.not_found},
                                       {"not_given", heard.not_given},
                                       {"ring_full", heard.ring_full}}}};
    }
    return json;
}

std::string summary(const dataplane::Stats& stats, const rules::Config& config, bool balanced) {
    std::string text = fmt::format("{:<20} {:>12} {:>14} {:>10}\n", "tool", "packets", "bytes", "flows");
    for (const rules::Port* tool : config.tool_ports())
        text += tool_text(tool->name, stats.tools[tool->place]);
    if (stats.removed_tools.offered != base::Count{}) text += tool_text("(removed)", stats.removed_tools);
    text += fmt::format("\n{:<20} {:>12} {:>14}\n", "port", "packets", "bytes");
    for (const rules::Port* port : config.network_ports())
        text += port_text(port->name, stats.ports[port->place]);
    if (stats.removed_ports.received != base::Count{}) text += port_text("(removed)", stats.removed_ports);
    for (const auto& [name, sum] : links_of(stats, config)) text += port_text("link " + name, sum);
    text += response_text(stats);
    text += fmt::format("\nledger: {}, lost: {}\n", balanced ? "balanced" : "NOT BALANCED", stats.lost());
    return text;
}

std::string exhaustion_warnings(const dataplane::Stats& stats, const rules::Config& config) {
    std::string text;
    if (stats.untracked != 0) {
        text += fmt::format(
            "warning: the flow table was full (inspect.flows is {}): {} packets were selected one by one, "
            "their flows have no "
            "record; raise inspect.flows\n",
            config.inspect.flows, stats.untracked);
    }
    if (stats.evicted != 0) {
        text += fmt::format(
            "warning: the flow table was full (inspect.flows is {}): {} flows ended early, of those that "
            "only one "
            "side spoke for; raise inspect.flows\n",
            config.inspect.flows, stats.evicted);
    }
    if (stats.let_go + stats.uninspected + stats.hold_refused != 0) {
        text += fmt::format(
            "warning: there was no room to match and hold all undecided flows: {} let go early, {} were not "
            "inspected, {} were held in part; raise inspect.hold_budget, inspect.stream_budget or "
            "inspect.flows\n",
            stats.let_go, stats.uninspected, stats.hold_refused);
    }
    if (stats.incomplete != 0) {
        text += fmt::format(
            "warning: {} selected sessions are not complete: more than inspect.hold_bytes of them came "
            "before the "
            "match; raise it{}\n",
            stats.incomplete, " (in replay \"unlimited\" keeps all)");
    }
    if (stats.decision_overflows != 0) {
        text += fmt::format(
            "warning: too many different sets of rules matched: counts by rule and flow miss {} packets\n",
            stats.decision_overflows);
    }
    if (stats.fragments_unmatched != 0) {
        text += fmt::format(
            "note: {} fragments came without the first of their datagram: their ports are unknown\n",
            stats.fragments_unmatched);
    }
    return text;
}

}  // namespace yagura::broker
