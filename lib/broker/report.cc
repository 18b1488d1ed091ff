// SPDX-License-Identifier: BSD-3-Clause
#include "broker/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

namespace yagura::broker {
namespace {

constexpr std::string_view shed_reason_name(port::ShedReason reason) {
    switch (reason) {
        case port::ShedReason::kRingFull:
            return "ring_full";
        case port::ShedReason::kToolFull:
            return "tool_full";
        case port::ShedReason::kWriteError:
            return "write_error";
        case port::ShedReason::kCount:
            break;
    }
    return "";
}

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

std::string seconds(std::uint64_t ns) {
    return fmt::format("{}.{:09}", ns / 1'000'000'000, ns % 1'000'000'000);
}

/// A record of flows.jsonl.
Json flow_json(const flow::FlowEntry& flow, const flow::FlowDetails& details,
               const std::vector<match::RuleIndex>& matched, const rules::Config& config,
               const std::vector<const rules::Port*>& tools) {
    Json json;
    json["first"] = seconds(details.first_ns);
    json["last"] = seconds(details.last_ns);
    json["proto"] = net::protocol_name(flow.key.proto);
    json["src"] = net::to_string(flow.key.src, flow.key.ip_version);
    json["sport"] = flow.key.sport;
    json["dst"] = net::to_string(flow.key.dst, flow.key.ip_version);
    json["dport"] = flow.key.dport;
    json["vlans"] = Json::array();
    for (std::size_t i = 0; i < details.vlan_count; ++i) json["vlans"].push_back(details.vlans[i]);
    json["tunnel"] = nullptr;
    if (details.tunnel != net::Tunnel::kNone) {
        json["tunnel"] = {{"type", net::tunnel_name(details.tunnel)}, {"id", details.tunnel_id}};
    }
    json["rules"] = Json::array();
    for (const match::RuleIndex rule : matched) json["rules"].push_back(config.rules[rule].id);
    json["tools"] = Json::array();
    for (std::uint64_t mask = details.tools; mask != 0; mask &= mask - 1) {
        json["tools"].push_back(tools[static_cast<std::size_t>(std::countr_zero(mask))]->name);
    }
    json["packets"] = details.packets;
    json["bytes"] = details.bytes;
    json["seen"] = to_json({details.seen_packets, details.seen_bytes});
    return json;
}

struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, Close>;

base::Error file_error(const std::string& path) {
    return {fmt::format("{}: cannot be written: {}", path, std::strerror(errno))};
}

/// fclose() reports what the last write could not.
base::Result<void> close_into_place(File file, const std::string& temporary, const std::string& path) {
    const bool written = std::ferror(file.get()) == 0;
    if (std::fclose(file.release()) != 0 || !written || std::rename(temporary.c_str(), path.c_str()) != 0) {
        base::Error error = file_error(path);
        std::remove(temporary.c_str());
        return error;
    }
    return {};
}

}  // namespace

Json to_json(const base::Count& count) {
    return {{"packets", count.packets}, {"bytes", count.bytes}};
}

Json stats_json(const dataplane::Stats& stats, const rules::Config& config, bool balanced) {
    Json json;
    json["version"] = 1;
    json["balanced"] = balanced;
    json["lost"] = stats.lost();
    json["ports"] = Json::object();
    const auto ports = config.network_ports();
    for (std::size_t i = 0; i < ports.size(); ++i) {
        const dataplane::PortStats& port = stats.ports[i];
        json["ports"][ports[i]->name] = {{"received", to_json(port.received)},
                                         {"forwarded", to_json(port.forwarded)},
                                         {"dropped", drops_json(port)},
                                         {"held", to_json(port.held)},
                                         {"in_flight", to_json(port.in_flight)}};
    }
    json["tools"] = Json::object();
    const auto tools = config.tool_ports();
    for (std::size_t i = 0; i < tools.size(); ++i) {
        const dataplane::ToolStats& tool = stats.tools[i];
        json["tools"][tools[i]->name] = {{"offered", to_json(tool.offered)},
                                         {"sent", to_json(tool.sent)},
                                         {"shed", sheds_json(tool)},
                                         {"flows", tool.flows}};
    }
    json["rules"] = Json::object();
    for (std::size_t i = 0; i < config.rules.size(); ++i) {
        const dataplane::RuleStats& rule = stats.rules[i];
        json["rules"][std::to_string(config.rules[i].id)] = {
            {"packets", rule.count.packets}, {"bytes", rule.count.bytes}, {"flows", rule.flows}};
    }
    // What ran out, if anything: where one of these is not 0, the result may depend on the number of lcores.
    json["exhausted"] = {{"flow_table", stats.untracked},
                         {"decision_table", stats.decision_overflows},
                         {"fragments_unmatched", stats.fragments_unmatched}};
    return json;
}

base::Result<std::uint64_t> write_flows(const std::string& path, const dataplane::Pipeline& pipeline,
                                        const rules::Config& config) {
    struct Selected {
        const flow::FlowEntry* flow;
        const flow::FlowDetails* details;
        const select::Selector* selector;
    };
    std::vector<Selected> selected;
    pipeline.for_each_flow(
        [&](const flow::FlowEntry& flow, const flow::FlowDetails& details, const select::Selector& selector) {
            if (details.packets != 0) selected.push_back({&flow, &details, &selector});
        });
    std::ranges::sort(selected, {}, [](const Selected& s) { return s.details->first; });

    const std::string temporary = path + ".part";
    File file(std::fopen(temporary.c_str(), "wb"));
    if (!file) return file_error(path);
    const auto tools = config.tool_ports();
    std::vector<match::RuleIndex> matched;
    for (const Selected& s : selected) {
        matched.clear();
        s.selector->append_forward_rules(*s.flow, matched);
        const std::string line = flow_json(*s.flow, *s.details, matched, config, tools).dump() + "\n";
        std::fwrite(line.data(), 1, line.size(), file.get());
    }
    if (auto closed = close_into_place(std::move(file), temporary, path); !closed) return closed.error();
    return selected.size();
}

base::Result<void> write_file(const std::string& path, const std::string& text) {
    const std::string temporary = path + ".part";
    File file(std::fopen(temporary.c_str(), "wb"));
    if (!file) return file_error(path);
    std::fwrite(text.data(), 1, text.size(), file.get());
    return close_into_place(std::move(file), temporary, path);
}

std::string summary(const dataplane::Stats& stats, const rules::Config& config, bool balanced) {
    std::string text = fmt::format("{:<20} {:>12} {:>14} {:>10}\n", "tool", "packets", "bytes", "flows");
    const auto tools = config.tool_ports();
    for (std::size_t i = 0; i < tools.size(); ++i) {
        const dataplane::ToolStats& tool = stats.tools[i];
        text += fmt::format("{:<20} {:>12} {:>14} {:>10}\n", tools[i]->name, tool.sent.packets,
                            tool.sent.bytes, tool.flows);
        for (std::size_t r = 0; r < tool.shed.size(); ++r) {
            if (tool.shed[r].packets == 0) continue;
            text += fmt::format("  shed: {:<12} {:>12} {:>14}\n",
                                shed_reason_name(static_cast<port::ShedReason>(r)), tool.shed[r].packets,
                                tool.shed[r].bytes);
        }
    }
    text += fmt::format("\n{:<20} {:>12} {:>14}\n", "port", "packets", "bytes");
    const auto ports = config.network_ports();
    for (std::size_t i = 0; i < ports.size(); ++i) {
        const dataplane::PortStats& port = stats.ports[i];
        text +=
            fmt::format("{:<20} {:>12} {:>14}\n", ports[i]->name, port.received.packets, port.received.bytes);
        text += fmt::format("  {:<18} {:>12} {:>14}\n", "forwarded", port.forwarded.packets,
                            port.forwarded.bytes);
        for (std::size_t r = 0; r < port.dropped.size(); ++r) {
            if (port.dropped[r].packets == 0) continue;
            const auto reason = static_cast<select::DropReason>(r);
            text += fmt::format("  {:<18} {:>12} {:>14}  ({})\n", select::drop_reason_name(reason),
                                port.dropped[r].packets, port.dropped[r].bytes,
                                select::drop_class_name(select::drop_class(reason)));
        }
    }
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
