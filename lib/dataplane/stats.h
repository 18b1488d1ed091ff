// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "base/counter.h"
#include "port/driver.h"
#include "select/drop_reason.h"

namespace yagura::dataplane {

/// The ledger of one network port: received = forwarded + dropped + held + in_flight.
struct PortStats {
    base::Count received;
    base::Count forwarded;  ///< offered to at least one tool
    std::array<base::Count, select::kDropReasons> dropped;
    base::Count held;       ///< offered to no tool yet
    base::Count in_flight;  ///< between rx and select

    base::Count dropped_total() const;
};

/// The ledger of one tool port: offered = sent + shed + queued.
struct ToolStats {
    base::Count offered;
    base::Count sent;
    std::array<base::Count, port::kShedReasons> shed;
    std::uint64_t flows = 0;  ///< that had a packet offered

    base::Count shed_total() const;
};

struct RuleStats {
    base::Count count;        ///< packets for which the rule was in effect
    std::uint64_t flows = 0;  ///< flows with such a packet
};

struct ThreadStats {
    unsigned lcore;
    std::uint64_t busy_turns;
    std::uint64_t empty_turns;
    std::uint64_t packets;
};

/// Everything that is counted, at one moment. Sums are exact when the pipeline is quiet.
struct Stats {
    std::vector<PortStats> ports;  ///< by PortId
    std::vector<ToolStats> tools;  ///< by ToolId
    std::vector<RuleStats> rules;  ///< by RuleIndex
    std::vector<ThreadStats> threads;
    std::uint64_t on_select_rings = 0;  ///< packets, counted on the rings themselves
    std::uint64_t on_tool_rings = 0;
    std::uint64_t flows = 0;                ///< in the flow tables
    std::uint64_t untracked = 0;            ///< packets whose flow found no room
    std::uint64_t decision_overflows = 0;   ///< packets whose list of rules found no room
    std::uint64_t fragments_unmatched = 0;  ///< fragments that went on without their first one

    /// Packets dropped for a reason of class loss, and copies shed.
    std::uint64_t lost() const;
    /// Every sum holds, and the rings hold what the counters say. Meaningful when quiet.
    bool balanced() const;
};

}  // namespace yagura::dataplane
