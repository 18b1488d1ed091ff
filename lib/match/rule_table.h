// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <algorithm>
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
    std::vector<RuleIndex> always;           ///< without a filter; ascending
    std::array<TupleSpace, 3> plain;         ///< by layer: asked of keys and of packets
    TupleSpace key_plain;                    ///< asked of keys only, and of packets with an exact key ...
    std::vector<ProgramRule> byte_programs;  ///< ... and their programs, asked of other packets; ascending
    std::vector<ProgramRule> programs;       ///< asked of keys and of packets; ascending

    /// Rules are added in ascending order. The values in tuple spaces are rules.
    void add(RuleIndex rule) { always.push_back(rule); }
    void add(RuleIndex rule, FilterIndex index, const FilterSet& filters) {
        const Filter& filter = filters[index];
        TupleSpace* space = nullptr;
        if (filter.kind == FilterKind::kPlain) {
            space = &plain[static_cast<std::size_t>(filter.layer)];
        } else if (filter.kind == FilterKind::kProgram && filter.keys_by_ways) {
            space = &key_plain;
            byte_programs.push_back({rule, index});
        } else if (filter.kind == FilterKind::kProgram) {
            programs.push_back({rule, index});
        }
        if (space == nullptr) return;
        for (const PlainConjunction& way : filters.ways(index)) space->add(way, rule);
    }
    /// No question needs a look at the key or the packet.
    bool only_always() const {
        return programs.empty() && byte_programs.empty() && key_plain.empty() &&
               std::all_of(plain.begin(), plain.end(), [](const TupleSpace& space) { return space.empty(); });
    }
    void seal() {
        for (TupleSpace& space : plain) space.seal();
        key_plain.seal();
    }
};

}  // namespace yagura::match
