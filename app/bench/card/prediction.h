// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "app/bench/card/traffic_shares.h"
#include "dataplane/lcore_plan.h"

namespace yagura::bench {

/// Cycles per packet by stage.
struct StageCycles {
    double rx = 0;
    double select = 0;
    double tx = 0;

    double total() const { return rx + select + tx; }
    StageCycles operator+(const StageCycles& o) const { return {rx + o.rx, select + o.select, tx + o.tx}; }
    StageCycles operator-(const StageCycles& o) const { return {rx - o.rx, select - o.select, tx - o.tx}; }
    StageCycles operator*(double by) const { return {rx * by, select * by, tx * by}; }
};

/// What happened, per packet: counted, not timed.
struct Events {
    double fresh = 0;                          ///< flows that began
    double selected = 0;                       ///< packets that some tool got
    double copies = 0;                         ///< packets that tools got
    double limited = 0;                        ///< of these, packets that tools with a limit got
    double scanned = 0;                        ///< bytes that were looked into
    double held = 0;                           ///< packets that were held, and that no tool got at once
    std::array<double, kWrappings> wrapped{};  ///< packets, by Wrapping
    double fragments = 0;
};

/// The same traffic with some of the configuration's features.
struct Observation {
    StageCycles cycles;
    Events events;
};

/// Everything that is measured apart; what a configuration does not use is not there.
struct Observations {
    Observation base;   ///< no rules, few flows that last
    Observation table;  ///< ... as many flows as in the end
    Observation fresh;  ///< ... which end, and new ones begin. All the rest is this, and:
    std::optional<Observation> flow_rules;
    std::optional<Observation> packet_rules;
    std::optional<Observation> payload;  ///< payload rules; nothing is held
    std::optional<Observation> held;     ///< payload rules, and packets are held
    std::optional<Observation> copy;     ///< everything goes to one tool
    std::optional<Observation> copies;   ///< everything goes to several
    std::optional<Observation> balance;  ///< everything goes to one of several
    std::optional<Observation> records;  ///< flow records are kept
    std::optional<Observation> flow_key;
    std::optional<Observation> limited;           ///< as `copy`, to a tool with a limit
    std::optional<Observation> response_lasting;  ///< as `table`; connections may be cut
    std::optional<Observation> response;          ///< connections may be cut
    /// As `base`, and all packets are wrapped in something. By Wrapping.
    std::array<std::optional<Observation>, kWrappings> wrapped;
    /// As `payload`, else as `fresh`, and some packets are fragments.
    std::optional<Observation> fragments;
    std::optional<Observation> down;  ///< as `copy`, and the tool is down: another gets it
    /// With select on another CPU, as `payload`, whose bytes change CPUs with the packet; else as `copy`, or
    /// `fresh`.
    std::optional<Observation> apart;
};

enum class Feature : std::size_t {
    kBase,
    kTable,
    kNewFlows,
    kFlowRules,
    kPacketRules,
    kPayload,
    kHold,
    kCopy,
    kFurtherCopies,
    kBalance,
    kRecords,
    kFlowKey,
    kLimit,
    kResponse,
    kResponseNewFlows,
    kFragment,
    kWrapped,  ///< and so many more: of Wrapping w it is feature_of(w)
};
inline Feature feature_of(Wrapping wrapping) {
    return static_cast<Feature>(static_cast<std::size_t>(Feature::kWrapped) +
                                static_cast<std::size_t>(wrapping));
}

/// What one feature adds.
struct Part {
    Feature feature;
    StageCycles alone;  ///< per event: see `events`
    double events = 1;  ///< so often per packet of the whole configuration
    StageCycles cycles() const { return alone * events; }
};

/// What each feature costs by itself, with what the whole configuration does of it. Payload by the byte that
/// is scanned, holding by the packet that is held, copies and limits of tools by the copy, new flows and what
/// is done for these by the new flow, what packets are wrapped in by such a packet, fragments by the
/// fragment, the rest by the packet.
std::vector<Part> parts_of(const Observations& observations, const Events& whole);

StageCycles sum_of(const std::vector<Part>& parts);

/// What it adds to a packet of the whole that select runs on another CPU than rx and tx. Nothing when it was
/// not measured.
StageCycles apart_cost(const Observations& observations, const Events& whole);

/// What it adds to a packet for a tool that is down, that it goes to another. Nothing when it was not
/// measured.
StageCycles down_cost(const Observations& observations);

/// The parts when flows have so many packets: what is counted by the new flow happens more or less often.
std::vector<Part> with_packets_per_flow(std::vector<Part> parts, double packets);

/// No CPU runs select beside another stage.
bool select_is_apart(const dataplane::LcorePlan& plan);

/// The CPU with the most to do, by a plan of lcores.
struct Bottleneck {
    unsigned cpu = 0;
    double cycles = 0;   ///< of this CPU, per packet of the whole
    std::string stages;  ///< "rx and tx"
};
/// `sources` and `tools`: network ports and tool ports; lcores beyond them stay idle.
Bottleneck bottleneck_of(const dataplane::LcorePlan& plan, const StageCycles& cycles, std::size_t sources,
                         std::size_t tools);

}  // namespace yagura::bench
