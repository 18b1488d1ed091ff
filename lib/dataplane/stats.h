// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/counter.h"
#include "dataplane/stage.h"
#include "port/driver.h"
#include "reset/kill_report.h"
#include "reset/refusal.h"
#include "select/drop_reason.h"
#include "select/inspector.h"

namespace yagura::dataplane {

/// The ledger of one network port: received = forwarded + dropped + held + in_flight.
struct PortStats {
    base::Count received;
    base::Count forwarded;  ///< offered to at least one tool
    std::array<base::Count, select::kDropReasons> dropped;
    base::Count held;          ///< offered to no tool yet
    base::Count in_flight;     ///< between rx and select
    std::uint64_t missed = 0;  ///< packets that the device or the kernel dropped: never received

    base::Count dropped_total() const;
    PortStats& operator+=(const PortStats& other);
};

/// The ledger of one tool port: offered = sent + shed + queued.
struct ToolStats {
    base::Count offered;
    base::Count sent;
    std::array<base::Count, port::kShedReasons> shed;
    std::uint64_t flows = 0;       ///< that had a packet offered
    std::uint64_t flows_shed = 0;  ///< of these: of which the tool got nothing, for want of room
    std::uint64_t flows_cut = 0;   ///< of which it got the beginning

    base::Count shed_total() const;
    ToolStats& operator+=(const ToolStats& other);
};

struct RuleStats {
    base::Count count;        ///< packets for which the rule was in effect
    std::uint64_t flows = 0;  ///< flows with such a packet
};

/// Where an lcore's time went, in cycles of the time stamp counter.
struct StageCycles {
    std::array<std::uint64_t, kStageKinds> busy{};  ///< by StageKind, of turns that handled a packet
    std::uint64_t between = 0;                      ///< of the same turns, outside of stages
    std::uint64_t idle = 0;                         ///< of turns that handled none

    std::uint64_t busy_total() const;
    StageCycles& operator+=(const StageCycles& other);
    StageCycles operator-(const StageCycles& other) const;
};

struct ThreadStats {
    unsigned lcore;
    std::uint64_t busy_turns;
    std::uint64_t empty_turns;
    std::uint64_t packets;
    std::optional<StageCycles> cycles;  ///< with PipelineOptions::clock_stages
};

/// What happened on the way from packets to streams (flow::StreamCounters).
struct StreamStats {
    std::uint64_t scanned_bytes = 0;
    std::uint64_t depth_reached = 0;
    std::uint64_t out_of_order = 0;
    std::uint64_t retransmissions = 0;
    std::uint64_t overlaps = 0;
    std::uint64_t gaps = 0;
    std::uint64_t gap_bytes = 0;
    std::uint64_t before_start = 0;
    std::uint64_t after_end = 0;
    std::uint64_t out_of_window = 0;

    void add(const select::InspectCounters& counters);
};

/// The ledger of frames of our own that leave by a network port: made = sent + shed + queued.
struct InjectStats {
    base::Count made;
    base::Count sent;
    std::array<base::Count, port::kShedReasons> shed;

    base::Count shed_total() const;
    InjectStats& operator+=(const InjectStats& other);
    InjectStats operator-(const InjectStats& other) const;
};

/// What a tool sent into its own port.
struct HeardStats {
    std::uint64_t received = 0;   ///< frames; all of the others together
    std::uint64_t ignored = 0;    ///< no verdict
    std::uint64_t ring_full = 0;  ///< more verdicts than could be passed on
    std::uint64_t verdicts = 0;   ///< taken
    std::uint64_t not_found = 0;  ///< for a flow that is not there
    std::uint64_t not_given = 0;  ///< for a flow that the tool has not got

    /// No verdict is on its way.
    bool all_heard() const;
    HeardStats operator-(const HeardStats& other) const;
};

/// What became of verdicts, where connections may be cut.
struct ResponseStats {
    std::array<std::uint64_t, static_cast<std::size_t>(reset::Outcome::kCount)> outcomes{};
    std::array<std::uint64_t, 4> verdicts{};  ///< by ResponseCause
    std::array<std::uint64_t, static_cast<std::size_t>(reset::Refusal::kCount)> unmade{};  ///< frames
    std::uint64_t no_buffer = 0;    ///< frames that were not made for want of one
    std::uint64_t no_path = 0;      ///< frames whose port was gone
    std::uint64_t suppressed = 0;   ///< frames that were not made because it was switched off meanwhile
    std::uint64_t untracked = 0;    ///< packets whose rules cut, and whose flow found no room
    std::uint64_t unreported = 0;   ///< reports that found no room
    std::uint64_t errors = 0;       ///< ICMP errors made
    std::uint64_t fronts_full = 0;  ///< directions of flows whose front found no room
    std::vector<HeardStats> heard;  ///< by ToolId
};

/// Everything that is counted, at one moment. Sums are exact when the pipeline is quiet.
struct Stats {
    std::vector<PortStats> ports;  ///< by PortId; an id that no port has: nothing
    std::vector<ToolStats> tools;  ///< by ToolId; likewise
    PortStats removed_ports;       ///< sum of the ports that have been removed
    ToolStats removed_tools;       ///< likewise
    std::vector<RuleStats> rules;  ///< by RuleIndex
    std::vector<ThreadStats> threads;
    std::uint64_t on_select_rings = 0;  ///< packets, counted on the rings themselves
    std::uint64_t on_tool_rings = 0;
    std::vector<InjectStats> injected;  ///< by PortId; of a port that does not inject: nothing
    InjectStats removed_injected;       ///< sum of the ports that have been removed
    std::uint64_t on_inject_rings = 0;
    std::optional<ResponseStats> response;
    StreamStats streams;
    std::uint64_t inspected = 0;            ///< flows whose payload is being matched
    std::uint64_t inspected_before = 0;     ///< of these, under the policy before the current one
    std::uint64_t held_blocks = 0;          ///< flow::BlockStore::kBlockSize each: packets and segments
    std::uint64_t held_blocks_peak = 0;     ///< sum of the lcores' peaks
    std::uint64_t flows = 0;                ///< in the flow tables
    std::uint64_t evicted = 0;              ///< flows that ended early because the table was full
    std::uint64_t let_go = 0;               ///< flows whose inspection ended for want of room
    std::uint64_t uninspected = 0;          ///< flows that payload rules were not asked of, for want of room
    std::uint64_t hold_refused = 0;         ///< flows whose hold ended before hold_bytes for want of room
    std::uint64_t incomplete = 0;           ///< selected flows of which packets had been let go
    std::uint64_t untracked = 0;            ///< packets whose flow found no room
    std::uint64_t decision_overflows = 0;   ///< packets whose list of rules found no room
    std::uint64_t fragments_unmatched = 0;  ///< fragments that went on without their first one

    /// Packets dropped for a reason of class loss, copies shed, and what devices missed.
    std::uint64_t lost() const;
    /// Every sum holds, and the rings hold what the counters say. Meaningful when quiet.
    bool balanced() const;
};

}  // namespace yagura::dataplane
