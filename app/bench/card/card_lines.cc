// SPDX-License-Identifier: BSD-3-Clause
#include "app/bench/card/card_lines.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "app/bench/card/used_features.h"

namespace yagura::bench {
namespace {

std::string rules_text(const Features::Filters& filters) {
    std::vector<std::string> kinds;
    if (filters.plain != 0) kinds.push_back(fmt::format("{} plain", filters.plain));
    if (filters.arbitrary != 0) kinds.push_back(fmt::format("{} arbitrary", filters.arbitrary));
    if (filters.bare != 0) kinds.push_back(fmt::format("{} without filter", filters.bare));
    std::string text =
        fmt::format("{} rule{}: {}", filters.rules, filters.rules == 1 ? "" : "s", fmt::join(kinds, ", "));
    if (filters.samples != 0) text += fmt::format("; {} with a sample", filters.samples);
    return text;
}

std::string payload_text(const Features& used) {
    const Features::Filters& rules = used.payload_rules;
    const std::size_t both = used.patterns - used.patterns_to_server - used.patterns_to_client;
    std::string text =
        fmt::format("{} rule{} on {}, {} pattern{}: {} both ways, {} to server, {} to client", rules.rules,
                    rules.rules == 1 ? "" : "s", fmt::join(used.payload_protocols, " and "), used.patterns,
                    used.patterns == 1 ? "" : "s", both, used.patterns_to_server, used.patterns_to_client);
    if (used.packet_payload_rules != 0)
        text += fmt::format("; {} ask each packet by itself", used.packet_payload_rules);
    if (rules.samples != 0) text += fmt::format("; {} with a sample", rules.samples);
    return text;
}

std::string tools_text(std::size_t tools) {
    return fmt::format("rules lead to {} tool{}", tools, tools == 1 ? "" : "s");
}

std::string flows_text(const rules::Config& config, const CardChoice& choice) {
    if (!choice.capture.empty()) return "those of the capture; in the line above";
    return fmt::format("{} of {}", std::min<std::uint64_t>(choice.flows, config.inspect.flows),
                       config.inspect.flows);
}

std::string flow_key_text(const rules::Inspect& inspect) {
    std::vector<std::string> keys;
    if (inspect.key_has_vlan) keys.emplace_back("vlan");
    if (inspect.key_has_tunnel) keys.emplace_back("tunnel");
    return fmt::format("{}", fmt::join(keys, " and "));
}

std::string share_text(double share) {
    return fmt::format("{:g} % of packets", share * 100);
}

void add_kinds_of_packets(std::vector<CardLine>& lines, const CardChoice& choice,
                          const CardFigures& figures) {
    const bool captured = !choice.capture.empty();
    // What a capture has of these is in the first line.
    const char* const absent = captured ? "as in the capture" : "flows are too short";
    constexpr std::array<const char*, kWrappings> kNames{
        "a packet with a VLAN tag",     "a packet with two VLAN tags (QinQ)", "a packet with two MPLS labels",
        "a packet in VXLAN, over IPv4", "a packet in GRE, over IPv4",         "a packet in GTP-U, over IPv4"};
    for (std::size_t i = 0; i < kWrappings; ++i) {
        lines.push_back({.feature = feature_of(static_cast<Wrapping>(i)),
                         .name = kNames[i],
                         .each = "such packet",
                         .here = share_text(choice.shares.wrapped[i]),
                         .absent = absent});
    }
    const auto& measured = figures.parts.front().fragments;
    lines.push_back({.feature = Feature::kFragment,
                     .name = "a fragment of IPv4 or IPv6",
                     .each = "fragment",
                     .here = fmt::format("{}; measured with {:.0f} %", share_text(choice.shares.fragments),
                                         measured ? measured->events.fragments * 100 : 0),
                     .absent = captured ? "left out" : absent});
}

}  // namespace

std::vector<CardLine> card_lines(const broker::LoadedConfig& loaded, const CardChoice& choice,
                                 const CardFigures& figures) {
    const rules::Config& config = loaded.config;
    const Features used = Features::of(loaded);
    const std::size_t network = config.network_ports().size();
    std::vector<CardLine> lines{
        {Feature::kBase, "receive, parse, ring, flow look-up, drop", "packet",
         fmt::format("{} network port{}, frames of {:.0f} bytes on average, few flows", network,
                     network == 1 ? "" : "s", figures.bytes_per_packet)},
        {Feature::kTable, "number of flows", "packet", flows_text(config, choice)},
        {Feature::kNewFlows, "new flows: a place in the table, an end", "new flow",
         fmt::format("{:.1f} packets a flow", 1 / figures.whole.front().events.fresh)},
        {Feature::kFlowRules, "header rules, asked once a flow", "new flow", rules_text(used.flow_rules)},
        {Feature::kPacketRules, "header rules, asked of packets", "packet", rules_text(used.packet_rules)},
        {Feature::kPayload, "payload rules", "byte scanned", payload_text(used)},
        {Feature::kHold, "holding undecided flows", "packet held",
         fmt::format("{} bytes a flow", config.inspect.hold_bytes)},
        {Feature::kCopy, "a selected packet's first tool, ring, send", "packet",
         tools_text(used.tools.size())},
        {Feature::kFurtherCopies, "each further tool", "copy", tools_text(used.tools.size())},
        {Feature::kBalance, "balancing over a group", "new flow",
         fmt::format("{} group{}", used.balance_groups.size(), used.balance_groups.size() == 1 ? "" : "s")},
        {Feature::kLimit, "a tool's rate and queue: whole flows, by priority", "copy",
         fmt::format("{} tool{}, measured with room for all", used.limited_tools.size(),
                     used.limited_tools.size() == 1 ? "" : "s")},
        {Feature::kRecords, "flow records", "packet", "as yagura replay keeps them"},
        {Feature::kFlowKey, "flows told apart by more", "packet", flow_key_text(config.inspect)},
        {Feature::kResponse, "connections can be cut: numbers of each flow", "packet", "nothing is cut"},
        {Feature::kResponseNewFlows, "connections can be cut: the way to its ends", "new flow",
         "nothing is blocked"},
    };
    add_kinds_of_packets(lines, choice, figures);
    return lines;
}

}  // namespace yagura::bench
