// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "dataplane/pipeline.h"
#include "rules/config.h"

namespace yagura::broker {

using Json = nlohmann::ordered_json;

std::string_view shed_reason_name(port::ShedReason reason);  ///< "ring_full", ...

/// {"packets": n, "bytes": n}
Json to_json(const base::Count& count);

/// A port's ledger; a tool's.
Json port_json(const dataplane::PortStats& port);
Json tool_json(const dataplane::ToolStats& tool);
/// Packets, bytes and flows of a rule.
Json rule_json(const dataplane::RuleStats& rule);
/// What happened to streams, and what ran out.
Json streams_json(const dataplane::StreamStats& streams);
Json exhausted_json(const dataplane::Stats& stats);

/// "links": the sums of both directions of each link; "removed_ports" and "removed_tools": those of ports
/// that were removed. Only what there is.
Json sums_json(const dataplane::Stats& stats, const rules::Config& config);

/// An element of run.threads in stats.json.
Json thread_json(const dataplane::ThreadStats& thread);

/// "outcomes", "verdicts", "frames", "own_frames", "tools": what became of verdicts. Nothing where none is
/// carried out.
Json response_json(const dataplane::Stats& stats, const rules::Config& config);

/// stats.json without its "run" member. `balanced`: as found by the caller, who knows the pool too.
Json stats_json(const dataplane::Stats& stats, const rules::Config& config, bool balanced);

/// What each tool got, and what became of each port's packets: a table for a person.
std::string summary(const dataplane::Stats& stats, const rules::Config& config, bool balanced);

/// A line for each table that was too small for the traffic, with the remedy; empty when none was.
std::string exhaustion_warnings(const dataplane::Stats& stats, const rules::Config& config);

}  // namespace yagura::broker
