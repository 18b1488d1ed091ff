// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "match/compiled_rules.h"
#include "match/filter_set.h"
#include "match/payload_patterns.h"
#include "match/rule_header.h"
#include "match/rule_table.h"

namespace yagura::match {

struct CompiledRules::State {
    /// Sorts rules without errors into their tables.
    static std::unique_ptr<State> build(std::span<const rules::Rule> rules, net::LinkType link_type,
                                        FilterSet filters, PayloadPatterns patterns,
                                        std::vector<RuleHeader> headers);

    State(net::LinkType link, FilterSet all_filters, PayloadPatterns all_patterns,
          std::vector<RuleHeader> all_headers)
        : link_type(link),
          filters(std::move(all_filters)),
          patterns(std::move(all_patterns)),
          headers(std::move(all_headers)) {}

    net::LinkType link_type;
    FilterSet filters;
    PayloadPatterns patterns;
    std::vector<RuleHeader> headers;  ///< by rule
    RuleTable flow;
    RuleTable packet;
    RuleTable packet_payload;  ///< payload rules of scope packet; in `always` those asked of packets
    RuleTable groups;          ///< groups instead of rules; in `always` those asked of packets
    std::vector<RuleIndex> group_rules;      ///< those of one group are together
    std::vector<std::uint32_t> first_rules;  ///< into group_rules, by group, and the end
    RuleIndex first_packet = 0;
    RuleIndex first_payload = 0;
    RuleIndex first_packet_payload = 0;

    /// The rules that these hits make true.
    std::span<const RuleIndex> take_hits(std::span<const PatternHit> hits, Bits bits, std::uint64_t origin,
                                         bool after_gap, const ScanContext& context,
                                         MatchScratch& scratch) const;

  private:
    void sort_payload_rules(std::span<const rules::Rule> rules);
    void add_by_key(RuleTable& table, RuleIndex index, const RuleHeader& header);
};

}  // namespace yagura::match
