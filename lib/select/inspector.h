// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "flow/flow_table.h"
#include "match/payload_states.h"
#include "select/flow_trace.h"
#include "select/inspection.h"
#include "select/policy.h"

namespace yagura::select {

/// The budgets of one select lcore.
struct InspectLimits {
    std::uint64_t stream_depth = 1u << 20;     ///< bytes per direction
    std::uint32_t reorder_bytes = 256u << 10;  ///< per direction
    std::uint64_t stream_budget = 64u << 20;   ///< bytes of stream states
    std::uint32_t flows = 1u << 16;            ///< that are inspected at once
};

/// What happened on the way from packets to streams. Any thread may read.
struct InspectCounters {
    flow::StreamCounters streams;
    flow::AssemblyCounters fragments;
    base::Counter scanned_bytes;
    base::Counter depth_reached;  ///< directions
};

/// Brings the payload of inspected flows to the patterns: TCP streams in order, everything else datagram by
/// datagram, fragments put together. One per Selector, owned by its thread.
class Inspector {
  public:
    Inspector(std::shared_ptr<const match::CompiledRules> rules, const InspectLimits& limits,
              flow::BlockStore& store, FlowTrace* trace = nullptr);

    /// A packet of the flow: hits() are the rules that became true by it. False when there is no room for the
    /// state of its streams: the packet was not looked at.
    [[nodiscard]] bool feed(const match::PacketView& packet, const flow::FlowEntry& flow, bool reverse,
                            Inspection& inspection, match::MatchScratch& scratch);
    /// The same for what most packets are: the next bytes of a TCP stream, or none, of an inspection that has
    /// its state. False when this is another packet: nothing has happened, feed() has to look at it. The flow
    /// is not traced.
    [[nodiscard]] bool feed_in_order(const match::PacketView& packet, const flow::FlowEntry& flow,
                                     bool reverse, Inspection& inspection, match::MatchScratch& scratch);
    /// The flow is at its end: what waits is looked at, with gaps, and then both streams end.
    void finish(const flow::FlowEntry& flow, Inspection& inspection, match::MatchScratch& scratch);
    /// Nothing more will come to be matched: adds the rules that only the end makes true.
    void conclude(const flow::FlowEntry& flow, Inspection& inspection, match::MatchScratch& scratch);
    /// Gives back what the inspection has of the store and of the states, but for the held packets.
    void release(Inspection& inspection);

    /// By the last feed() a rule of the flow died (match::CompiledRules::rule_died()).
    bool rule_died() const { return rule_died_; }
    /// Whether a rule may still become true for the flow, which has a state.
    bool is_open(const Inspection& inspection, match::RuleIndex rule) {
        return rules_.is_open(states_, inspection.state, rule);
    }
    /// Rules of scope session and onward, ascending.
    std::span<const match::RuleIndex> hits() const { return hits_; }

    /// Brings the stream of a packet that will be fed towards the cache.
    void prefetch(const Inspection& inspection, bool reverse) {
        if (inspection.state != Inspection::kNone) states_.prefetch(inspection.state, reverse ? 1 : 0);
    }

    bool has_room() const { return states_.used() < states_.capacity(); }
    const match::PayloadStates& states() const { return states_; }
    const InspectCounters& counters() const { return counters_; }

  private:
    struct Sink;
    /// Whose bytes are looked at.
    struct Source {
        const match::PacketView* packet;  ///< null at the end of the flow
        const flow::FlowEntry& flow;
        const net::FlowKey& key;  ///< in the direction of the bytes
        Inspection& inspection;
        match::MatchScratch& scratch;
        unsigned direction;
    };
    struct Buffers {
        std::array<std::uint8_t, 65536> gathered;  ///< segments that waited
        std::array<std::uint8_t, flow::DatagramAssembler::kMostBytes> datagram;
    };
    flow::StreamContext stream_context();
    match::ScanContext context(const Source& source) const;
    void add_hits(std::span<const match::RuleIndex> rules, const match::MatchScratch& scratch);
    void trace_patterns(const Source& source);
    bool depth_reached(const Source& source);
    void feed_datagram(const Source& source, base::Bytes bytes);
    void feed_segment(const Source& source, const flow::Segment& segment, std::uint32_t ack);
    void feed_fragment(const Source& source);
    void end_direction(const Source& source, bool finished);

    const match::CompiledRules& rules_;
    InspectLimits limits_;
    flow::BlockStore& store_;
    FlowTrace* trace_;  ///< not null when a flow is traced
    match::PayloadStates states_;
    match::PayloadStates blank_;  ///< one place: a flow that ends without payload needs none of the others
    InspectCounters counters_;
    bool rule_died_ = false;
    std::vector<match::RuleIndex> hits_;  ///< room for every rule
    std::vector<match::RuleIndex> merged_;
    std::unique_ptr<Buffers> buffers_;
};

}  // namespace yagura::select
