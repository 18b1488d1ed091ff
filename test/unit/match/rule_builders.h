// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "match/compiled_rules.h"
#include "net/parser.h"

namespace yagura::test {

inline rules::Rule filter_rule(std::string filter, rules::Scope scope = rules::Scope::kSession) {
    rules::Rule rule;
    rule.filter = std::move(filter);
    rule.scope = scope;
    rule.forward = {0};
    return rule;
}

inline rules::Pattern literal(std::string bytes) {
    rules::Pattern pattern;
    pattern.text = pattern.bytes = std::move(bytes);
    return pattern;
}

inline rules::Pattern regex(std::string expression, const std::string& flags = "") {
    rules::Pattern pattern;
    pattern.regex = true;
    pattern.text = "/" + expression + "/" + flags;
    pattern.bytes = std::move(expression);
    pattern.caseless = flags.find('i') != std::string::npos;
    pattern.dotall = flags.find('s') != std::string::npos;
    pattern.multiline = flags.find('m') != std::string::npos;
    pattern.utf8 = flags.find('8') != std::string::npos;
    return pattern;
}

inline rules::Pattern towards(rules::Direction direction, rules::Pattern pattern) {
    pattern.direction = direction;
    return pattern;
}

inline rules::Pattern placed(rules::Pattern pattern, std::uint64_t offset,
                             std::optional<std::uint64_t> depth = {}) {
    pattern.offset = offset;
    pattern.depth = depth;
    return pattern;
}

inline rules::Rule payload_rule(std::string filter, std::vector<rules::Pattern> any,
                                std::vector<rules::Pattern> all = {}) {
    rules::Rule rule = filter_rule(std::move(filter));
    rule.payload = std::move(any);
    rule.payload_all = std::move(all);
    return rule;
}

/// A frame and what the parser says of it.
struct Sample {
    explicit Sample(std::vector<std::uint8_t> bytes, std::uint32_t wire = 0,
                    net::LinkType link_type = net::LinkType::kEthernet)
        : frame(std::move(bytes)),
          wire_length(wire != 0 ? wire : static_cast<std::uint32_t>(frame.size())),
          parsed(net::parse(frame, wire_length, link_type)) {}
    match::PacketView view() const { return {frame, wire_length, &parsed}; }
    base::Bytes payload() const {
        if (parsed.payload == net::kNoOffset) return {};
        return base::Bytes(frame).subspan(parsed.payload, parsed.payload_size);
    }

    std::vector<std::uint8_t> frame;
    std::uint32_t wire_length;
    net::ParsedPacket parsed;
};

using Found = std::vector<match::RuleIndex>;
inline Found found(std::span<const match::RuleIndex> rules) {
    return {rules.begin(), rules.end()};
}

}  // namespace yagura::test
