// SPDX-License-Identifier: BSD-3-Clause
#include "broker/flow_story.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <ctime>
#include <tuple>

#include "broker/flow_name.h"
#include "net/protocol_numbers.h"
#include "rules/response_words.h"

namespace yagura::broker {
namespace {

using select::FlowEvent;
using Kind = FlowEvent::Kind;

constexpr std::string_view kIndent = "                              ";

std::string clock_text(std::uint64_t ns) {
    const auto seconds = static_cast<std::time_t>(ns / 1'000'000'000);
    return fmt::format("{:%Y-%m-%d %H:%M:%S}.{:09} UTC", fmt::gmtime(seconds), ns % 1'000'000'000);
}

/// A packet's may be before the first one's: capture order is not that of time stamps.
std::string since(std::uint64_t begin, std::uint64_t time) {
    const bool before = time < begin;
    const std::uint64_t us = ((before ? begin - time : time - begin) + 500) / 1000;
    return fmt::format("{}{}.{:06}", before ? "-" : "", us / 1'000'000, us % 1'000'000);
}

std::string count_of(std::uint64_t n, std::string_view noun) {
    return fmt::format("{} {}{}", n, noun, n == 1 ? "" : "s");
}

std::string flags_text(std::uint8_t flags) {
    constexpr std::array<std::string_view, 8> kNames{"FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"};
    std::string text;
    for (std::size_t bit = 0; bit < kNames.size(); ++bit) {
        if ((flags >> bit & 1) == 0) continue;
        if (!text.empty()) text += ' ';
        text += kNames[bit];
    }
    return text.empty() ? "no flags" : text;
}

bool is_tcp(const net::FlowKey& key) {
    return key.proto == net::ip_proto::kTcp;
}

/// The name of a list of patterns in the configuration.
std::string_view list_name(match::PatternList list) {
    switch (list) {
        case match::PatternList::kAny:
            return "payload";
        case match::PatternList::kAll:
            return "payload_all";
        case match::PatternList::kNone:
            return "payload_none";
    }
    return "";
}

std::string decided_text(select::Decided why) {
    switch (why) {
        case select::Decided::kNothingOpen:
            return "decided: no rule is open that could change what it gets";
        case select::Decided::kStreamsEnded:
            return "decided: there is nothing more to match in either direction";
        case select::Decided::kFlowEnded:
            return "decided: it is over";
        case select::Decided::kNoRoom:
            return "let go: the room for undecided flows was short (inspect.when_short)";
        case select::Decided::kPolicy:
            return "decided: its policy was replaced";
    }
    return "";
}

std::string end_text(select::FlowEnd why) {
    switch (why) {
        case select::FlowEnd::kTimeout:
            return "ends: it was idle for its timeout (inspect.timeouts)";
        case select::FlowEnd::kReuse:
            return "ends: a new connection of the same two ends begins";
        case select::FlowEnd::kEvicted:
            return "ends: the flow table needed its place (inspect.flows)";
        case select::FlowEnd::kInput:
            return "ends: the capture does";
    }
    return "";
}

std::string outcome_text(const FlowEvent& event, const std::string& tools) {
    if (event.tools != 0) return fmt::format("to {}{}", tools, event.held ? ", and held" : "");
    if (event.held) return "held";
    return fmt::format("dropped: {}", select::drop_reason_name(event.drop));
}

}  // namespace

std::vector<FlowLife> lives_of(std::span<const std::unique_ptr<select::FlowTrace>> traces) {
    std::vector<FlowLife> all;
    for (const auto& trace : traces) {
        std::vector<FlowLife> lives(trace->flows());
        const std::vector<FlowEvent> events = trace->events();
        for (std::size_t i = 0; i < events.size(); ++i) {
            FlowLife& life = lives[events[i].flow];
            if (trace->forgotten() != 0 && i == trace->kept_before_gap()) {
                life.gap_at = life.events.size();
                life.forgotten = trace->forgotten();
            }
            life.events.push_back(events[i]);
        }
        std::erase_if(lives, [](const FlowLife& life) { return life.events.empty(); });
        std::ranges::move(lives, std::back_inserter(all));
    }
    std::ranges::stable_sort(all, {}, [](const FlowLife& life) {
        const auto packet = std::ranges::find(life.events, true, &FlowEvent::of_packet);
        const FlowEvent& first = packet == life.events.end() ? life.events.front() : *packet;
        return std::tuple(first.time_ns, first.file, first.record);
    });
    return all;
}

FlowStory::FlowStory(const CaptureRun& run, const select::FlowTrace::Wanted& wanted)
    : run_(run),
      config_(run.loaded.config),
      wanted_(wanted.key),
      tools_(config_.tool_ports()),
      scratch_(run.loaded.compiled->make_scratch()) {}

/// Of the event that a flow is undecided.
FlowStory::Asked FlowStory::asked(const net::FlowKey& key, const FlowEvent& event) {
    const match::RuleIndex limit = event.rule;
    const auto in_sample = [&](match::RuleIndex rule) {
        return select::RuleAction{.sample = config_.rules[rule].sample}.in_sample(event.bytes);
    };
    const match::CompiledRules& rules = *run_.loaded.compiled;
    Asked asked;
    for (const match::GroupIndex group : rules.payload_groups(key, *scratch_)) {
        for (const match::RuleIndex rule : rules.group_rules(group)) {
            if (rule < limit && in_sample(rule)) asked.payload.push_back(rule);
        }
    }
    std::ranges::sort(asked.payload);
    for (match::RuleIndex rule = 0; rule < limit; ++rule) {
        const bool of_packet = config_.rules[rule].has_payload()
                                   ? config_.rules[rule].scope == rules::Scope::kPacket
                                   : !run_.loaded.summaries[rule].per_flow;
        if (of_packet && in_sample(rule)) asked.packet.push_back(rule);
    }
    return asked;
}

/// In direction 0, with what is known of the flow.
net::FlowKey FlowStory::key_of(const FlowLife& life) const {
    net::FlowKey key = wanted_;
    const auto known = std::ranges::find_if(life.events, [](const FlowEvent& event) {
        return event.kind == Kind::kBegun || event.kind == Kind::kPacket;
    });
    if (known != life.events.end()) key.proto = known->proto;
    return key;
}

// ---- for a person

std::string FlowStory::rule_name(match::RuleIndex rule) const {
    const rules::Rule& r = config_.rules[rule];
    return r.name.empty() ? fmt::format("rule {}", r.id) : fmt::format("rule {} \"{}\"", r.id, r.name);
}

std::string FlowStory::rule_list(const std::vector<match::RuleIndex>& rules) const {
    constexpr std::size_t kMost = 20;
    std::string text;
    for (std::size_t i = 0; i < std::min(rules.size(), kMost); ++i)
        text += fmt::format("{}{}", i == 0 ? "" : ", ", config_.rules[rules[i]].id);
    if (rules.size() > kMost) text += fmt::format(" and {} more", rules.size() - kMost);
    return fmt::format("{} {}", rules.size() == 1 ? "rule" : "rules", text);
}

std::string FlowStory::tool_names(std::uint64_t tools) const {
    std::string text;
    for (; tools != 0; tools &= tools - 1) {
        if (!text.empty()) text += ", ";
        text += tools_[static_cast<std::size_t>(std::countr_zero(tools))]->name;
    }
    return text;
}

const rules::Pattern& FlowStory::pattern(const FlowEvent& event) const {
    const rules::Rule& rule = config_.rules[event.rule];
    const auto& list = event.list == match::PatternList::kAny   ? rule.payload
                       : event.list == match::PatternList::kAll ? rule.payload_all
                                                                : rule.payload_none;
    return list[event.entry];
}

std::string FlowStory::heading(const FlowLife& life, std::size_t number, std::size_t count) const {
    const net::FlowKey key = key_of(life);
    std::string text = flow_name(key);
    if (count > 1) text += fmt::format(" (flow {} of {})", number, count);
    text += '\n';
    const FlowEvent& first = life.events.front();
    if (first.kind != Kind::kBegun) return text;
    // Whether the client is the one that `>` points away from.
    const bool forth = (first.direction == 0) != first.client_is_dst;
    text += fmt::format("  from the client {}",
                        forth ? end_name(key.src, key.sport, key) : end_name(key.dst, key.dport, key));
    if (first.domain != std::array<std::uint16_t, 3>{}) {
        // As net::set_domain() packs them.
        std::uint64_t domain = 0;
        for (std::size_t i = 0; i < 3; ++i) domain |= std::uint64_t{first.domain[i]} << (16 * i);
        text += fmt::format("; VLANs {}, {}; tunnel {}", domain & 0xfff, domain >> 12 & 0xfff, domain >> 24);
    }
    return text + fmt::format(", since {}\n", clock_text(first.time_ns));
}

std::string FlowStory::packet_line(const FlowEvent& packet, const FlowEvent* outcome,
                                   std::uint64_t begin) const {
    std::string what = packet.fragment ? "fragment, " : "";
    if (packet.proto == net::ip_proto::kTcp && packet.has_transport) {
        what += flags_text(packet.tcp_flags);
        if (packet.bytes != 0)
            what += fmt::format(", {} at {}", count_of(packet.bytes, "byte"), packet.position);
    } else {
        what += count_of(packet.bytes, "byte");
    }
    if (packet.cut) what += " (cut by the capture)";
    std::string place = fmt::format("{}", packet.record + 1);
    if (run_.captures.size() > 1) place = fmt::format("{}:{}", packet.file + 1, place);
    const std::string then = outcome == nullptr ? "" : outcome_text(*outcome, tool_names(outcome->tools));
    return fmt::format("{:>10} {:>14}  {}  {:<34} {}\n", place, since(begin, packet.time_ns),
                       packet.direction == 0 ? '>' : '<', what, then);
}

/// What a rule does when it holds.
std::string FlowStory::deeds(const rules::Rule& rule) const {
    std::string words = rule.drop ? "drop" : "";
    for (const std::size_t group : rule.forward)
        words += (words.empty() ? "forward to " : ", ") + config_.tool_groups[group].name;
    const std::string response = rules::response_words(rule);
    if (response.empty()) return words;
    return words + (words.empty() ? "" : "; ") + response + ", which is done in a live run alone";
}

std::string FlowStory::pattern_sentence(const FlowEvent& event) const {
    const rules::Pattern& sought = pattern(event);
    const std::string where = event.in_stream ? fmt::format("the stream {}", event.direction == 0 ? '>' : '<')
                                              : std::string("its payload");
    const std::string text = sought.regex ? sought.text : fmt::format("\"{}\"", sought.text);
    return fmt::format(
        "{}: {}/{} {} found; it ends at byte {} of {}{}", rule_name(event.rule), list_name(event.list),
        event.entry, text, event.position, where,
        event.counted ? "" : ", which does not count: its direction or the rule's filter is another");
}

std::string FlowStory::sentence(const FlowEvent& event, const net::FlowKey& key) {
    const char direction = event.direction == 0 ? '>' : '<';
    const auto packets = [&] {
        return fmt::format("{}, {}", count_of(event.packets, "packet"), count_of(event.bytes, "byte"));
    };
    switch (event.kind) {
        case Kind::kRule: {
            const rules::Rule& rule = config_.rules[event.rule];
            return fmt::format("{} holds: {}", rule_name(event.rule), deeds(rule));
        }
        case Kind::kMoreRules:
            return fmt::format("{} hold besides", count_of(event.packets, "rule"));
        case Kind::kNotSampled:
            return fmt::format("{} is for 1 in {} flows, and not for this one", rule_name(event.rule),
                               config_.rules[event.rule].sample);
        case Kind::kInspected: {
            const Asked rules = asked(key, event);
            std::string text =
                fmt::format("undecided: its payload is asked for {}", rule_list(rules.payload));
            if (!rules.packet.empty()) text += fmt::format("; each packet for {}", rule_list(rules.packet));
            return text;
        }
        case Kind::kNotInspected:
            return "its payload is not matched: too many other flows are undecided (inspect.flows)";
        case Kind::kPattern:
            return pattern_sentence(event);
        case Kind::kWaits:
            return fmt::format("out of order: {} of the stream {} wait for byte {}",
                               count_of(event.bytes, "byte"), direction, event.position);
        case Kind::kSeenBefore:
            return "nothing new for the stream";
        case Kind::kGap:
            return fmt::format("gap: {} of the stream {} are missing at byte {}",
                               count_of(event.bytes, "byte"), direction, event.position);
        case Kind::kStreamEnd:
            return event.stream_end == select::StreamEnd::kFin
                       ? fmt::format("the stream {} ends at byte {} (FIN)", direction, event.position)
                       : fmt::format("direction {}: {} looked at, no more will be (inspect.stream_depth)",
                                     direction, count_of(static_cast<std::uint64_t>(event.position), "byte"));
        case Kind::kDecided:
            return decided_text(event.decided);
        case Kind::kHoldFull:
            return fmt::format("no more is held than {} (inspect.hold_bytes, hold_budget)", packets());
        case Kind::kReleased:
            return fmt::format("released to {}: {}", tool_names(event.tools), packets());
        case Kind::kHeldDropped:
            if (event.drop == select::DropReason::kNone)
                return fmt::format("held copies are not needed any more: {}", packets());
            return fmt::format("what was held is dropped: {} ({})", select::drop_reason_name(event.drop),
                               packets());
        case Kind::kEnded:
            return end_text(event.end);
        case Kind::kBegun:
        case Kind::kPacket:
        case Kind::kOutcome:
            break;
    }
    return "";
}

std::string FlowStory::totals(const FlowLife& life) const {
    std::uint64_t packets = 0;
    std::uint64_t bytes = 0;
    std::vector<std::uint64_t> tools(tools_.size());
    std::array<std::uint64_t, select::kDropReasons> dropped{};
    const auto give = [&](std::uint64_t mask, std::uint64_t n) {
        for (; mask != 0; mask &= mask - 1) tools[static_cast<std::size_t>(std::countr_zero(mask))] += n;
    };
    for (const FlowEvent& event : life.events) {
        if (event.kind == Kind::kPacket) {
            ++packets;
            bytes += event.packets;
        } else if (event.kind == Kind::kOutcome) {
            give(event.tools, 1);
            if (event.tools == 0 && !event.held) ++dropped[static_cast<std::size_t>(event.drop)];
        } else if (event.kind == Kind::kReleased) {
            give(event.tools, event.packets);
        } else if (event.kind == Kind::kHeldDropped && event.drop != select::DropReason::kNone) {
            dropped[static_cast<std::size_t>(event.drop)] += event.packets;
        }
    }
    std::string text =
        fmt::format("  in all: {}, {} of frames", count_of(packets, "packet"), count_of(bytes, "byte"));
    if (life.gap_at) return text + ", without those that are not shown\n";
    for (std::size_t tool = 0; tool < tools.size(); ++tool) {
        if (tools[tool] != 0) text += fmt::format("; {} to {}", tools[tool], tools_[tool]->name);
    }
    for (std::size_t r = 0; r < dropped.size(); ++r) {
        if (dropped[r] == 0) continue;
        text += fmt::format("; {} dropped as {}", dropped[r],
                            select::drop_reason_name(static_cast<select::DropReason>(r)));
    }
    return text + '\n';
}

std::string FlowStory::text(const FlowLife& life, std::size_t number, std::size_t count) {
    const net::FlowKey key = key_of(life);
    std::string text = heading(life, number, count);
    text += fmt::format("\n{:>10} {:>14}\n", run_.captures.size() > 1 ? "file:no." : "packet", "seconds");
    const auto& events = life.events;
    const std::uint64_t begin = events.front().time_ns;
    std::vector<match::RuleIndex> possible;
    for (std::size_t i = 0; i < events.size(); ++i) {
        if (life.gap_at == i)
            text += fmt::format("\n{:>10} {} events are not kept\n\n", "...", life.forgotten);
        if (events[i].kind == Kind::kPacket) {
            const FlowEvent* outcome = nullptr;
            for (std::size_t j = i + 1; j < events.size() && events[j].kind != Kind::kPacket; ++j) {
                if (events[j].kind == Kind::kOutcome) outcome = &events[j];
            }
            text += packet_line(events[i], outcome, begin);
            continue;
        }
        if (events[i].kind == Kind::kInspected) {
            const Asked rules = asked(key, events[i]);
            possible = rules.payload;
            possible.insert(possible.end(), rules.packet.begin(), rules.packet.end());
        }
        // Patterns of rules that were never asked of the flow may be anywhere.
        const bool foreign = events[i].kind == Kind::kPattern && !events[i].counted &&
                             std::ranges::find(possible, events[i].rule) == possible.end();
        const std::string said = foreign ? std::string() : sentence(events[i], key);
        if (!said.empty()) text += fmt::format("{}{}\n", kIndent, said);
    }
    return text + "\n" + totals(life);
}

// ---- for a program

Json FlowStory::tools_json(std::uint64_t tools) const {
    Json names = Json::array();
    for (; tools != 0; tools &= tools - 1)
        names.push_back(tools_[static_cast<std::size_t>(std::countr_zero(tools))]->name);
    return names;
}

Json FlowStory::rules_json(const std::vector<match::RuleIndex>& rules) const {
    Json ids = Json::array();
    for (const match::RuleIndex rule : rules) ids.push_back(config_.rules[rule].id);
    return ids;
}

void FlowStory::add_details(Json& json, const FlowEvent& event, const net::FlowKey& key) {
    const auto add_packets = [&] {
        json["packets"] = event.packets;
        json["bytes"] = event.bytes;
    };
    const auto add_direction = [&] { json["direction"] = event.direction == 0 ? ">" : "<"; };
    switch (event.kind) {
        case Kind::kBegun:
            json["proto"] = net::protocol_name(key.proto);
            json["src"] = net::to_string(key.src, key.ip_version);
            json["sport"] = key.sport;
            json["dst"] = net::to_string(key.dst, key.ip_version);
            json["dport"] = key.dport;
            add_direction();
            json["client"] = (event.direction == 0) != event.client_is_dst ? "src" : "dst";
            return;
        case Kind::kPacket:
            add_direction();
            json["size"] = event.packets;
            json["payload"] = event.bytes;
            if (!is_tcp(key) || !event.has_transport) return;
            json["flags"] = flags_text(event.tcp_flags);
            json["position"] = event.position;
            return;
        case Kind::kRule:
        case Kind::kNotSampled:
            json["rule"] = config_.rules[event.rule].id;
            return;
        case Kind::kMoreRules:
            json["rules"] = event.packets;
            return;
        case Kind::kInspected: {
            const Asked rules = asked(key, event);
            json["payload_rules"] = rules_json(rules.payload);
            json["packet_rules"] = rules_json(rules.packet);
            return;
        }
        case Kind::kPattern:
            add_direction();
            json["rule"] = config_.rules[event.rule].id;
            json["list"] = list_name(event.list);
            json["entry"] = event.entry;
            json["pattern"] = pattern(event).text;
            json["end"] = event.position;
            json["of"] = event.in_stream ? "stream" : "packet";
            json["counts"] = event.counted;
            return;
        case Kind::kWaits:
        case Kind::kGap:
            add_direction();
            json["position"] = event.position;
            json["bytes"] = event.bytes;
            return;
        case Kind::kStreamEnd:
            add_direction();
            json["position"] = event.position;
            json["why"] = name(event.stream_end);
            return;
        case Kind::kDecided:
            json["why"] = name(event.decided);
            return;
        case Kind::kOutcome:
            json["tools"] = tools_json(event.tools);
            json["held"] = event.held;
            if (event.tools == 0 && !event.held) json["dropped"] = select::drop_reason_name(event.drop);
            return;
        case Kind::kReleased:
            json["tools"] = tools_json(event.tools);
            return add_packets();
        case Kind::kHeldDropped:
            json["dropped"] = nullptr;
            if (event.drop != select::DropReason::kNone)
                json["dropped"] = select::drop_reason_name(event.drop);
            return add_packets();
        case Kind::kHoldFull:
            return add_packets();
        case Kind::kEnded:
            json["why"] = name(event.end);
            return;
        case Kind::kNotInspected:
        case Kind::kSeenBefore:
            return;
    }
}

std::string FlowStory::json(const FlowLife& life, std::size_t number) {
    const net::FlowKey key = key_of(life);
    std::string text;
    for (std::size_t i = 0; i < life.events.size(); ++i) {
        const FlowEvent& event = life.events[i];
        if (life.gap_at == i)
            text += Json{{"flow", number}, {"event", "forgotten"}, {"events", life.forgotten}}.dump() + "\n";
        Json json;
        json["flow"] = number;
        json["event"] = name(event.kind);
        json["time"] = fmt::format("{}.{:09}", event.time_ns / 1'000'000'000, event.time_ns % 1'000'000'000);
        if (event.of_packet) {
            json["file"] = run_.captures[event.file].path;
            json["packet"] = event.record + 1;
        }
        add_details(json, event, key);
        text += json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
    }
    return text;
}

}  // namespace yagura::broker
