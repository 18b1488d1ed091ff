// SPDX-License-Identifier: BSD-3-Clause
#include <fmt/format.h>

#include <algorithm>

#include "match/bpf_program.h"
#include "match/compiled_rules.h"
#include "match/filter_text.h"
#include "match/header_fields.h"
#include "net/parser.h"
#include "support/filter_checks.h"

namespace yagura::test {
namespace {

using match::BpfCode;

/// A rule, and libpcap's programs for it with and without the optimiser.
struct Reference {
    rules::Rule rule;
    rules::Layer layer = rules::Layer::kInner;
    BpfCode ip[2];
    BpfCode frame[2];

    bool compile(match::BpfCompiler& ip_compiler, match::BpfCompiler& frame_compiler) {
        const auto chosen = match::choose_layer(match::tokenize(rule.filter), rule.layer);
        if (!chosen) return false;
        layer = chosen.value();
        for (const match::Optimize optimize : {match::Optimize::kNo, match::Optimize::kUnlessLong}) {
            const auto which = static_cast<std::size_t>(optimize);
            auto of_frame = frame_compiler.compile(rule.filter, optimize);
            if (!of_frame) return false;
            frame[which] = std::move(*of_frame);
            if (layer == rules::Layer::kFrame) continue;
            auto of_ip = ip_compiler.compile(rule.filter, optimize);
            if (!of_ip) return false;
            ip[which] = std::move(*of_ip);
        }
        return true;
    }
};

bool accepts(const BpfCode& code, base::Bytes bytes, std::uint32_t wire_length) {
    return !code.empty() &&
           bpf_filter(code.data(), bytes.data(), wire_length, static_cast<unsigned>(bytes.size())) != 0;
}

bool accepts_key(const BpfCode& code, const net::FlowKey& key) {
    const match::SyntheticHeader header = match::synthetic_header(key);
    return accepts(code, {header.bytes.data(), header.size}, header.size);
}

Reference random_rule(Choices& choices) {
    Reference reference;
    rules::Rule& rule = reference.rule;
    rule.forward = {0};
    rule.filter = choices.one_in(3)   ? frame_expression(choices)
                  : choices.one_in(2) ? plain_expression_with_or(choices)
                                      : plain_expression(choices);
    rule.scope = choices.one_in(2) ? rules::Scope::kPacket : rules::Scope::kSession;
    if (choices.one_in(3)) rule.layer = choices.any_of({rules::Layer::kOuter, rules::Layer::kFrame});
    return reference;
}

}  // namespace

std::string check_rules(Choices& choices, CheckCounts& counts) {
    constexpr unsigned kRules = 12;
    constexpr unsigned kFrames = 20;
    match::BpfCompiler ip_compiler(net::LinkType::kRaw);
    match::BpfCompiler frame_compiler(net::LinkType::kEthernet);
    std::vector<Reference> references;
    std::vector<rules::Rule> rules;
    for (unsigned i = 0; i < kRules; ++i) {
        Reference reference = random_rule(choices);
        if (!reference.compile(ip_compiler, frame_compiler)) {
            ++counts.refused;
            continue;
        }
        rules.push_back(reference.rule);
        references.push_back(std::move(reference));
    }
    const auto outcome = match::CompiledRules::compile(rules, net::LinkType::kEthernet);
    if (!outcome.rules) return "libpcap takes what the rules refuse: " + outcome.errors.front().reason;
    const match::MatchScratchPtr scratch = outcome.rules->make_scratch();

    for (unsigned i = 0; i < kFrames; ++i) {
        const Frame frame = random_frame(net::LinkType::kEthernet, choices);
        const auto wire_length = static_cast<std::uint32_t>(frame.size());
        const net::ParsedPacket parsed = net::parse(frame, wire_length, net::LinkType::kEthernet);
        const auto limit =
            static_cast<match::RuleIndex>(choices.below(static_cast<std::uint32_t>(rules.size()) + 2));
        const auto packet_span = outcome.rules->packet_rules({frame, wire_length, &parsed}, limit, *scratch);
        const std::vector<match::RuleIndex> packet_rules(packet_span.begin(), packet_span.end());
        std::vector<match::RuleIndex> flow_rules;
        if (parsed.has_flow()) {
            const auto flow_span = outcome.rules->flow_rules(parsed.key, *scratch);
            flow_rules.assign(flow_span.begin(), flow_span.end());
        }
        if (!std::is_sorted(packet_rules.begin(), packet_rules.end()) ||
            !std::is_sorted(flow_rules.begin(), flow_rules.end())) {
            return "rules are not in order";
        }
        for (match::RuleIndex r = 0; r < rules.size(); ++r) {
            const Reference& reference = references[r];
            const bool is_flow_rule = outcome.summaries[r].per_flow;
            bool expected[2];
            for (unsigned which = 0; which < 2; ++which) {
                const std::uint16_t offset = reference.layer == rules::Layer::kInner   ? parsed.inner_ip
                                             : reference.layer == rules::Layer::kOuter ? parsed.outer_ip
                                                                                       : net::kNoOffset;
                const BpfCode& ip = reference.ip[which];
                if (is_flow_rule && parsed.has_flow()) {
                    expected[which] = accepts_key(ip, parsed.key) || accepts_key(ip, parsed.key.reversed());
                } else if (offset == net::kNoOffset) {
                    expected[which] = r < limit && accepts(reference.frame[which], frame, wire_length);
                } else {
                    expected[which] =
                        r < limit && accepts(ip, base::Bytes(frame).subspan(offset), wire_length);
                }
            }
            const auto& found = is_flow_rule && parsed.has_flow() ? flow_rules : packet_rules;
            const bool holds = std::binary_search(found.begin(), found.end(), r);
            ++counts.cases;
            counts.accepted += holds;
            counts.per_flow += is_flow_rule;
            if (holds != expected[0] && holds != expected[1]) {
                return fmt::format("rule {} \"{}\" (layer {}, {}): libpcap gives {}, the rules {}: {:02x}", r,
                                   reference.rule.filter, static_cast<int>(reference.layer),
                                   is_flow_rule ? "flow" : "packet", expected[0], holds,
                                   fmt::join(frame, ""));
            }
        }
    }
    return {};
}

}  // namespace yagura::test
