// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <optional>

#include "match/filter_set.h"
#include "net/parser.h"

namespace yagura::match {

/// The header part of a rule.
struct RuleHeader {
    std::optional<FilterIndex> filter;
    std::optional<bool> malformed;

    bool malformed_holds(const net::ParsedPacket& parsed) const {
        return !malformed || *malformed == (parsed.malformed != net::Malformed::kNone);
    }
    /// The answer depends on the flow's key alone.
    bool per_flow(const FilterSet& filters) const {
        return !malformed && (!filter || filters[*filter].per_flow);
    }
};

}  // namespace yagura::match
