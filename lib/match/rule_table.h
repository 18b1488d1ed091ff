// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <vector>

#include "match/compiled_rules.h"
#include "match/filter_set.h"
#include "match/tuple_space.h"

namespace yagura::match {

/// Rules that are asked together, sorted by the cheapest way to ask them.
struct RuleTable {
    struct ProgramRule {
        RuleIndex rule;
        FilterIndex filter;
    };
    std::vector<RuleIndex> always;      ///< without a filter; ascending
    std::array<TupleSpace, 3> plain;    ///< by layer; the values are rules
    std::vector<ProgramRule> programs;  ///< ascending

    /// Rules are added in ascending order.
    void add(RuleIndex rule) { always.push_back(rule); }
    void add(RuleIndex rule, FilterIndex filter, const FilterSet& filters) {
        if (filters[filter].kind == FilterKind::kProgram) programs.push_back({rule, filter});
        for (const PlainConjunction& way : filters.ways(filter)) {
            plain[static_cast<std::size_t>(filters[filter].layer)].add(way, rule);
        }
    }
    void seal() {
        for (TupleSpace& space : plain) space.seal();
    }
};

}  // namespace yagura::match
