// SPDX-License-Identifier: BSD-3-Clause
#include "app/bench/card/flow_classes.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "app/bench/card/frame_of_class.h"
#include "app/bench/card/sample_text.h"
#include "match/filter_text.h"
#include "match/plain_filter.h"
#include "net/packet_builder.h"

namespace yagura::bench {
namespace {

constexpr std::size_t kMostWays = 8;          ///< of a plain filter
constexpr std::size_t kMostCandidates = 512;  ///< for any other

void spread(net::IpAddress& address, std::uint8_t ip_version, std::uint8_t bits, std::uint64_t& n) {
    const std::uint64_t value = n & ((std::uint64_t{1} << bits) - 1);
    n >>= bits;
    const std::size_t last = ip_version == 4 ? 3 : 15;
    for (std::size_t i = 0; i < 4; ++i)
        address[last - i] = static_cast<std::uint8_t>(address[last - i] | value >> (8 * i));
}

/// Where nothing else is asked for: clients of a network for documents' examples of large ones, one server.
FlowClass ordinary(std::uint8_t ip_version, std::uint8_t proto, std::uint16_t port) {
    FlowClass made;
    made.key.ip_version = ip_version;
    made.key.proto = proto;
    if (ip_version == 4) {
        made.key.src = {10, 64};
        made.key.dst = {198, 18, 7, 9};
    } else {
        made.key.src = {0x20, 0x01, 0x0d, 0xb8, 0, 1};
        made.key.dst = {0x20, 0x01, 0x0d, 0xb8, 0, 2};
        made.key.dst[15] = 9;
    }
    made.src_bits = 22;
    if (proto == net::ip_proto::kTcp || proto == net::ip_proto::kUdp || proto == net::ip_proto::kSctp) {
        made.key.sport = 32768;
        made.sport_range = 16384;
        made.key.dport = port;
    }
    return made;
}

void ask_address(const match::Prefix& prefix, std::uint8_t ip_version, net::IpAddress& address,
                 std::uint8_t& bits) {
    if (prefix.length == 0) return;
    const unsigned whole = ip_version == 4 ? 32 : 128;
    address = prefix.address;
    bits = static_cast<std::uint8_t>(std::min(whole - prefix.length, 22u));
}

void ask_port(const match::PortRange& range, std::uint16_t& port, std::uint16_t& count) {
    if (!range.asked) return;
    const auto usual =
        static_cast<std::uint16_t>(range.low <= 32768 && range.high > 32768 ? 32768 : range.low);
    port = usual;
    count = static_cast<std::uint16_t>(std::min(range.high - usual + 1, 16384));
}

std::optional<FlowClass> class_of(const match::PlainConjunction& way) {
    const bool v4 = (way.families & static_cast<unsigned>(match::Family::kIpv4)) != 0;
    if (!v4 && (way.families & static_cast<unsigned>(match::Family::kIpv6)) == 0) return std::nullopt;
    const auto proto = static_cast<std::uint8_t>(way.protocol < 0 ? net::ip_proto::kTcp : way.protocol);
    FlowClass made = ordinary(v4 ? 4 : 6, proto, 80);
    ask_address(way.src, made.key.ip_version, made.key.src, made.src_bits);
    ask_address(way.dst, made.key.ip_version, made.key.dst, made.dst_bits);
    if (way.src.length != 0 && way.dst.length == 0 && made.src_bits < 8) made.dst_bits = 8;
    if (made.dst_bits != 0 && way.dst.length == 0) made.key.dst[v4 ? 3 : 15] = 0;
    if (made.key.sport != 0) {
        ask_port(way.sport, made.key.sport, made.sport_range);
        ask_port(way.dport, made.key.dport, made.dport_range);
    }
    return made;
}

/// Of the ways that say the same of the two directions, those in which the known port is the server's.
std::vector<FlowClass> plain_classes(const match::PlainFilter& filter) {
    const bool servers =
        std::ranges::any_of(filter.ways, [](const match::PlainConjunction& way) { return way.dport.asked; });
    std::vector<FlowClass> made;
    for (const match::PlainConjunction& way : filter.ways) {
        if (servers && way.sport.asked && !way.dport.asked) continue;
        if (made.size() == kMostWays) break;
        if (auto one = class_of(way)) made.push_back(std::move(*one));
    }
    return made;
}

/// Packets made of what stands in the filter, for filters that are more than plain.
std::vector<FlowClass> candidates(std::span<const match::Token> tokens) {
    std::vector<std::uint16_t> numbers{443, 80, 53};
    std::vector<net::ParsedAddress> addresses;
    bool tagged = false;
    for (const match::Token& token : tokens) {
        unsigned number = 0;
        const char* const end = token.text.data() + token.text.size();
        tagged |= token.text == "vlan";
        if (token.kind == match::TokenKind::kNumber &&
            std::from_chars(token.text.data(), end, number).ec == std::errc{} && number <= 0xffff) {
            numbers.insert(numbers.begin(), static_cast<std::uint16_t>(number));
        } else if (const auto address = net::parse_address(token.text)) {
            addresses.push_back(*address);
        }
    }
    std::vector<FlowClass> made;
    for (const std::uint8_t version : {std::uint8_t{4}, std::uint8_t{6}}) {
        const std::uint8_t icmp = version == 4 ? net::ip_proto::kIcmp : net::ip_proto::kIcmpv6;
        made.push_back(ordinary(version, icmp, 0));
        for (const std::uint16_t number : numbers) {
            for (const std::uint8_t proto : {net::ip_proto::kTcp, net::ip_proto::kUdp})
                made.push_back(ordinary(version, proto, number));
        }
    }
    const std::size_t bare = made.size();
    for (const net::ParsedAddress& address : addresses) {
        for (std::size_t i = 0; i < bare && made.size() < kMostCandidates / 2; ++i) {
            if (made[i].key.ip_version != address.ip_version) continue;
            made.push_back(made[i]);
            made.back().key.dst = address.address;
        }
    }
    if (!tagged) return made;
    const std::size_t untagged = made.size();
    for (const std::uint16_t number : numbers) {
        for (std::size_t i = 0; i < untagged && made.size() < kMostCandidates; ++i) {
            made.push_back(made[i]);
            made.back().vlans = {static_cast<std::uint16_t>(number & 0xfff)};
        }
    }
    return made;
}

/// Adds a pattern's text to what one of the two sides says. Where both will do, the client says it.
bool say(const rules::Pattern& pattern, FlowClass& flow_class) {
    const auto text = sample_of(pattern);
    if (!text) return false;
    std::string& said =
        pattern.direction == rules::Direction::kToClient ? flow_class.to_client : flow_class.to_server;
    constexpr std::uint64_t kFarthest = 1u << 16;
    if (pattern.offset > kFarthest) return false;
    if (said.size() < pattern.offset) said += filler_words(pattern.offset - said.size());
    said += *text;
    return true;
}

/// What the rule's payload asks for, as far as it can be said.
void say_payload(const rules::Rule& rule, FlowClass& flow_class) {
    // What stands at a place of its own goes first.
    std::vector<const rules::Pattern*> wanted;
    for (const rules::Pattern& pattern : rule.payload_all) wanted.push_back(&pattern);
    std::ranges::stable_sort(wanted, {}, [](const rules::Pattern* pattern) {
        const bool anchored = pattern->regex && pattern->bytes.starts_with('^');
        return pattern->depth.has_value() || anchored ? 0 : 1;
    });
    for (const rules::Pattern* pattern : wanted) say(*pattern, flow_class);
    for (const rules::Pattern& pattern : rule.payload) {
        if (say(pattern, flow_class)) return;
    }
}

std::vector<FlowClass> header_classes(const rules::Rule& rule) {
    if (rule.filter.empty()) return {ordinary(4, net::ip_proto::kTcp, 80)};
    const auto tokens = match::tokenize(rule.filter);
    if (const auto plain = match::parse_plain_filter(tokens)) {
        auto made = plain_classes(*plain);
        if (!made.empty()) return made;
    }
    return candidates(tokens);
}

class Planner {
  public:
    Planner(const rules::Config& config, std::shared_ptr<const select::PolicySnapshot> policy)
        : config_(config), asker_(std::move(policy)) {}

    ClassPlan run(std::size_t most) {
        std::vector<std::vector<FlowClass>> by_rule;
        for (std::size_t i = 0; i < config_.rules.size(); ++i) {
            if (!config_.rules[i].forward.empty())
                by_rule.push_back(classes_for(static_cast<match::RuleIndex>(i)));
        }
        ClassPlan plan;
        // Of every rule its first way, then the second ones: a rule with many takes nothing from others.
        for (std::size_t way = 0; way < kMostWays; ++way) {
            for (const auto& classes : by_rule) {
                if (way < classes.size() && plan.selected.size() < most)
                    plan.selected.push_back(classes[way]);
            }
        }
        add_inspected(plan);
        if (plan.others.empty()) add_background(plan);
        return plan;
    }

  private:
    std::vector<FlowClass> classes_for(match::RuleIndex index) {
        const rules::Rule& rule = config_.rules[index];
        const bool plain =
            rule.filter.empty() || match::parse_plain_filter(match::tokenize(rule.filter)).has_value();
        std::vector<FlowClass> good;
        for (FlowClass& made : header_classes(rule)) {
            say_payload(rule, made);
            const FlowAsker::Answer answer = asker_.ask(made);
            if (!answer.selected || !std::ranges::binary_search(answer.rules, index)) continue;
            good.push_back(std::move(made));
            if (!plain) break;
        }
        return good;
    }

    /// Flows that payload rules look into in vain.
    void add_inspected(ClassPlan& plan) {
        for (const rules::Rule& rule : config_.rules) {
            if (!rule.has_payload()) continue;
            for (FlowClass& made : header_classes(rule)) {
                if (plan.others.size() == kMostWays) return;
                // Another port than the usual one, where the filter leaves it open.
                for (const std::uint16_t port : {std::uint16_t{9}, made.key.dport}) {
                    if (made.key.dport != 0) made.key.dport = port;
                    const FlowAsker::Answer answer = asker_.ask(made);
                    if (!answer.rules.empty() || answer.selected || !answer.inspected) continue;
                    plan.others.push_back(made);
                    break;
                }
            }
        }
    }
    void add_background(ClassPlan& plan) {
        for (const std::uint8_t proto : {net::ip_proto::kTcp, net::ip_proto::kUdp}) {
            for (const std::uint16_t port : {std::uint16_t{9}, std::uint16_t{47'001}}) {
                const FlowClass made = ordinary(4, proto, port);
                if (asker_.ask(made).selected) continue;
                plan.others.push_back(made);
                break;
            }
        }
        if (!plan.others.empty()) return;
        plan.others.push_back(ordinary(4, net::ip_proto::kTcp, 9));
        plan.others_selected = true;
    }

    const rules::Config& config_;
    FlowAsker asker_;
};

}  // namespace

net::FlowKey FlowClass::nth(std::uint64_t n) const {
    net::FlowKey made = key;
    spread(made.src, key.ip_version, src_bits, n);
    made.sport = static_cast<std::uint16_t>(made.sport + n % sport_range);
    n /= sport_range;
    spread(made.dst, key.ip_version, dst_bits, n);
    made.dport = static_cast<std::uint16_t>(made.dport + n % dport_range);
    return made;
}

std::uint64_t FlowClass::flows() const {
    return (std::uint64_t{1} << (src_bits + dst_bits)) * sport_range * dport_range;
}

std::vector<std::vector<std::uint8_t>> first_packets(const FlowClass& flow_class) {
    using namespace net::tcp_flag;
    std::vector<std::vector<std::uint8_t>> packets;
    const bool tcp = flow_class.key.proto == net::ip_proto::kTcp;
    const auto some = [](const std::string& text) { return text.empty() ? filler_words(32) : text; };
    const std::string request = some(flow_class.to_server);
    const auto requested = static_cast<std::uint32_t>(request.size() + 1);
    if (tcp) {
        packets.push_back(class_frame(flow_class, {.to_server = true, .flags = kSyn}, ""));
        packets.push_back(class_frame(flow_class, {.to_server = false, .flags = kSyn | kAck, .ack = 1}, ""));
    }
    packets.push_back(
        class_frame(flow_class, {.to_server = true, .flags = kAck | kPsh, .seq = 1, .ack = 1}, request));
    packets.push_back(class_frame(flow_class,
                                  {.to_server = false, .flags = kAck | kPsh, .seq = 1, .ack = requested},
                                  some(flow_class.to_client)));
    return packets;
}

FlowAsker::FlowAsker(std::shared_ptr<const select::PolicySnapshot> policy)
    : policy_(std::move(policy)),
      store_(std::uint64_t{1} << 24),
      selector_(policy_, {.inspect = {.stream_budget = std::uint64_t{1} << 24, .flows = 16}}, store_),
      before_(policy_->rules->size()) {}

FlowAsker::Answer FlowAsker::ask(const FlowClass& flow_class) {
    Answer answer;
    flow::FlowEntry flow{};
    std::vector<flow::HeldPacket> held;
    const auto end_inspection = [&] {
        for (const flow::HeldPacket& packet : held)
            answer.selected |= selector_.resolve(flow, packet).tools != 0;
        selector_.end_inspection(flow);
    };
    for (const auto& frame : first_packets(flow_class)) {
        const net::ParsedPacket parsed = net::parse(frame, frame.size(), net::LinkType::kEthernet);
        const auto size = static_cast<std::uint32_t>(frame.size());
        const match::PacketView view{
            .frame = frame, .wire_length = size, .parsed = &parsed, .captured = size};
        if (flow.epoch == 0) flow.key = parsed.key;
        const select::Verdict verdict = selector_.select(view, parsed.key.symmetric_hash(0), &flow, 0);
        answer.selected |= verdict.tools != 0;
        answer.inspected |= selector_.inspects(flow);
        if (verdict.hold) {
            held.push_back({.offered = verdict.tools,
                            .own = verdict.own,
                            .counted = verdict.counted,
                            .size = size,
                            .wire_length = size,
                            .malformed = static_cast<std::uint8_t>(parsed.malformed)});
        }
        if (verdict.closed) end_inspection();
    }
    if (selector_.inspects(flow)) {
        selector_.close(flow, select::Selector::End::kFlow);
        end_inspection();
    }
    answer.selected |= selector_.flow_tools(flow) != 0;
    selector_.append_forward_rules(flow, answer.rules);
    std::vector<select::DecisionTable::RuleCount> after(before_.size());
    selector_.add_to(after);
    for (std::size_t i = 0; i < after.size(); ++i) {
        if (after[i].count.packets != before_[i].count.packets)
            answer.rules.push_back(static_cast<match::RuleIndex>(i));
    }
    before_ = std::move(after);
    std::ranges::sort(answer.rules);
    answer.rules.erase(std::ranges::unique(answer.rules).begin(), answer.rules.end());
    return answer;
}

ClassPlan plan_classes(const rules::Config& config, std::shared_ptr<const select::PolicySnapshot> policy,
                       std::size_t most) {
    return Planner(config, std::move(policy)).run(most);
}

}  // namespace yagura::bench
