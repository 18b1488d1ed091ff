// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <optional>

#include "rules/config.h"
#include "rules/fields.h"
#include "rules/json_document.h"
#include "rules/report.h"
#include "rules/rule_reader.h"

namespace yagura::rules {

/// Reads `response`. What is faulty keeps its default, but for `enabled`, which counts as true then: the
/// rules that need it are not reported as well.
Response read_response(const Json& value, const Place& place, ErrorList& errors);

/// Reads a port's `route`. Nothing when the key is absent, and, with a report, when it is faulty.
std::optional<Route> read_route(const Fields& port, ErrorList& errors);

/// Reads a rule's `block`. Nothing when the key is absent, and, with a report, when it is no object; what is
/// faulty in it keeps its default.
std::optional<BlockAction> read_block(const Fields& rule, ErrorList& errors);

/// Finds the network port that each port's `inject` names. What is none is reported and taken out. `place`:
/// of the ports.
void resolve_injects(Config& config, const Names& names, const Place& place, ErrorList& errors);

}  // namespace yagura::rules
