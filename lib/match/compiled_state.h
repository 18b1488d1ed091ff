// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "match/compiled_rules.h"
#include "match/filter_set.h"
#include "match/payload_patterns.h"
#include "match/rule_table.h"

namespace yagura::match {

/// The header part of a rule.
struct RuleHeader {
    std::optional<FilterIndex> filter;
    std::optional<bool> malformed;

    bool malformed_holds(const net::ParsedPacket& parsed) const {
        return !malformed || *malformed == (parsed.malformed != net::Malformed::kNone);
    }
};

struct CompiledRules::State {
    /// Sorts rules without errors into their tables.
    static std::unique_ptr<State> build(std::span<const rules::Rule> rules, net::LinkType link_type,
                                        FilterSet filters, PayloadPatterns patterns,
                                        std::vector<RuleHeader> headers);

    net::LinkType link_type;
    FilterSet filters;
    PayloadPatterns patterns;
    std::vector<RuleHeader> headers;  ///< by rule
    RuleTable flow;
    RuleTable packet;
    RuleTable payload;            ///< only rules whose header depends on the flow
    bool payload_always = false;  ///< some payload rule's header may hold for a packet of any flow
    RuleIndex first_packet = 0;
    RuleIndex first_payload = 0;
};

}  // namespace yagura::match
