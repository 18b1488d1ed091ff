// SPDX-License-Identifier: BSD-3-Clause
#include "select/inspector.h"

#include <algorithm>
#include <iterator>

#include "net/fragment.h"
#include "net/protocol_numbers.h"
#include "select/rule_lists.h"

namespace yagura::select {
namespace {

constexpr std::size_t kSequenceAt = 4;
constexpr std::size_t kAcknowledgmentAt = 8;

}  // namespace

/// Where a stream's bytes go.
struct Inspector::Sink {
    Inspector& inspector;
    const Source& source;

    bool bytes(base::Bytes bytes) {
        Inspection& inspection = source.inspection;
        std::uint64_t& scanned = inspection.scanned[source.direction];
        const std::uint64_t left = inspector.limits_.stream_depth - scanned;
        const base::Bytes part = bytes.first(std::min<std::uint64_t>(bytes.size(), left));
        inspector.counters_.scanned_bytes.add(part.size());
        inspector.add_hits(inspector.rules_.scan_stream(inspector.states_, inspection.state, source.direction,
                                                        part, inspector.context(source), source.scratch),
                           source.scratch);
        if (source.flow.traced) inspector.trace_patterns(source);
        scanned += part.size();
        return !inspector.depth_reached(source);
    }
    void gap(std::uint64_t size) {
        Inspection& inspection = source.inspection;
        std::uint64_t& scanned = inspection.scanned[source.direction];
        if (source.flow.traced) {
            inspector.trace_->note({.kind = FlowEvent::Kind::kGap,
                                    .direction = static_cast<std::uint8_t>(source.direction),
                                    .bytes = size,
                                    .position = static_cast<std::int64_t>(scanned)});
        }
        scanned += std::min(size, inspector.limits_.stream_depth - scanned);
        if (inspector.depth_reached(source) || inspection.state == Inspection::kNone) return;
        inspector.rules_.stream_gap(inspector.states_, inspection.state, source.direction);
    }
};

Inspector::Inspector(std::shared_ptr<const match::CompiledRules> rules, const InspectLimits& limits,
                     flow::BlockStore& store, FlowTrace* trace)
    : rules_(*rules),
      limits_(limits),
      store_(store),
      trace_(trace),
      states_(rules, limits.stream_budget),
      blank_(rules, rules->state_bytes()) {
    hits_.reserve(2 * rules_.size() + 1);
    merged_.reserve(2 * rules_.size() + 1);
    if (states_.capacity() != 0) buffers_ = std::make_unique<Buffers>();
}

flow::StreamContext Inspector::stream_context() {
    return {.store = store_,
            .limits = {.reorder_bytes = limits_.reorder_bytes},
            .counters = counters_.streams,
            .scratch = buffers_->gathered};
}

match::ScanContext Inspector::context(const Source& source) const {
    return {.key = source.key,
            .packet = source.packet,
            .to = direction_of(source.direction == 1, source.flow),
            .limit = source.inspection.limit,
            .position = source.inspection.scanned[source.direction]};
}

void Inspector::add_hits(std::span<const match::RuleIndex> rules, const match::MatchScratch& scratch) {
    rule_died_ = rule_died_ || match::CompiledRules::rule_died(scratch);
    if (rules.empty()) return;
    merged_.clear();
    std::ranges::set_union(hits_, rules, std::back_inserter(merged_));
    hits_.swap(merged_);
}

/// Of the last scan.
void Inspector::trace_patterns(const Source& source) {
    // Without streams, matches are counted in the datagram.
    const std::uint64_t before =
        source.flow.key.proto == net::ip_proto::kTcp ? 0 : source.inspection.scanned[source.direction];
    for (const match::PayloadHit& hit : match::CompiledRules::hits(source.scratch)) {
        trace_->note({.kind = FlowEvent::Kind::kPattern,
                      .direction = static_cast<std::uint8_t>(source.direction),
                      .list = hit.list,
                      .counted = hit.counted,
                      .in_stream = source.flow.key.proto == net::ip_proto::kTcp,
                      .rule = hit.rule,
                      .entry = hit.entry,
                      .position = static_cast<std::int64_t>(hit.end - before)});
    }
}

bool Inspector::depth_reached(const Source& source) {
    if (source.inspection.scanned[source.direction] < limits_.stream_depth) return false;
    if (!source.inspection.ended[source.direction]) {
        source.inspection.ended[source.direction] = true;
        counters_.depth_reached.add(1);
    }
    return true;
}

bool Inspector::feed(const match::PacketView& packet, const flow::FlowEntry& flow, bool reverse,
                     Inspection& inspection, match::MatchScratch& scratch) {
    hits_.clear();
    rule_died_ = false;
    const net::ParsedPacket& parsed = *packet.parsed;
    // A first fragment may end inside the transport header, which is whole in the datagram.
    if (parsed.payload == net::kNoOffset && !parsed.is_fragment) return true;
    if (inspection.state == Inspection::kNone) {
        // Without payload there is nothing to match, but a SYN says where the stream begins.
        if (parsed.payload_size != 0 || parsed.is_fragment) {
            inspection.state = states_.acquire();
            if (inspection.state == match::PayloadStates::kNone) return false;
        } else if (parsed.transport == net::kNoOffset || flow.key.proto != net::ip_proto::kTcp) {
            return true;
        }
    }
    const Source source{.packet = &packet,
                        .flow = flow,
                        .key = parsed.key,
                        .inspection = inspection,
                        .scratch = scratch,
                        .direction = reverse ? 1u : 0u};
    if (parsed.is_fragment) {
        feed_fragment(source);
        return true;
    }
    const base::Bytes payload = packet.frame.subspan(parsed.payload, parsed.payload_size);
    if (flow.key.proto != net::ip_proto::kTcp) {
        feed_datagram(source, payload);
    } else if (parsed.transport != net::kNoOffset) {
        const base::Bytes tcp = packet.frame.subspan(parsed.transport);
        feed_segment(source,
                     {.seq = base::load_be32(&tcp[kSequenceAt]),
                      .flags = parsed.tcp_flags,
                      .payload = payload,
                      .wire_size = net::payload_wire_size(packet.frame, packet.wire_length, parsed)},
                     base::load_be32(&tcp[kAcknowledgmentAt]));
    }
    return true;
}

bool Inspector::feed_in_order(const match::PacketView& packet, const flow::FlowEntry& flow, bool reverse,
                              Inspection& inspection, match::MatchScratch& scratch) {
    const net::ParsedPacket& parsed = *packet.parsed;
    if (parsed.payload == net::kNoOffset || parsed.transport == net::kNoOffset || parsed.is_fragment ||
        flow.key.proto != net::ip_proto::kTcp || inspection.state == Inspection::kNone)
        return false;
    const unsigned direction = reverse ? 1u : 0u;
    const std::uint32_t size = parsed.payload_size;
    std::uint64_t& scanned = inspection.scanned[direction];
    if (inspection.ended[direction] || scanned + size >= limits_.stream_depth) return false;
    // Nothing was cut off where the payload reaches to the end of the frame.
    if (std::uint32_t{parsed.payload} + size != packet.wire_length &&
        net::payload_wire_size(packet.frame, packet.wire_length, parsed) != size)
        return false;
    const base::Bytes tcp = packet.frame.subspan(parsed.transport);
    if (!inspection.streams[direction].take_next(base::load_be32(&tcp[kSequenceAt]), parsed.tcp_flags, size))
        return false;
    if ((parsed.tcp_flags & net::tcp_flag::kAck) != 0)
        inspection.streams[1 - direction].acknowledge(base::load_be32(&tcp[kAcknowledgmentAt]));
    hits_.clear();
    rule_died_ = false;
    if (size == 0) return true;
    counters_.scanned_bytes.add(size);
    const match::ScanContext context{.key = parsed.key,
                                     .packet = &packet,
                                     .to = direction_of(reverse, flow),
                                     .limit = inspection.limit,
                                     .position = scanned};
    const auto hits = rules_.scan_stream(states_, inspection.state, direction,
                                         packet.frame.subspan(parsed.payload, size), context, scratch);
    scanned += size;
    if (!hits.empty() || match::CompiledRules::rule_died(scratch)) [[unlikely]]
        add_hits(hits, scratch);
    return true;
}

void Inspector::feed_fragment(const Source& source) {
    Inspection& inspection = source.inspection;
    const auto part = net::read_fragment(source.packet->frame, *source.packet->parsed);
    if (!part) return;
    const auto whole =
        inspection.fragments.offer(*part, source.direction, store_, buffers_->datagram, counters_.fragments);
    if (!whole) return;
    const net::FlowKey& key = source.flow.key;
    const net::TransportPart transport = net::read_transport(key.ip_version, whole->proto, whole->bytes);
    if (!transport.sound) return;
    if (key.proto != net::ip_proto::kTcp) return feed_datagram(source, transport.payload);
    feed_segment(source,
                 {.seq = transport.tcp_seq,
                  .flags = transport.tcp_flags,
                  .payload = transport.payload,
                  .wire_size = static_cast<std::uint32_t>(transport.payload.size())},
                 transport.tcp_ack);
}

void Inspector::feed_datagram(const Source& source, base::Bytes bytes) {
    if (bytes.empty() || source.inspection.ended[source.direction]) return;
    std::uint64_t& scanned = source.inspection.scanned[source.direction];
    const base::Bytes part =
        bytes.first(std::min<std::uint64_t>(bytes.size(), limits_.stream_depth - scanned));
    counters_.scanned_bytes.add(part.size());
    add_hits(rules_.scan_datagram(states_, source.inspection.state, part, context(source), source.scratch),
             source.scratch);
    if (source.flow.traced) trace_patterns(source);
    scanned += part.size();
    depth_reached(source);
}

void Inspector::feed_segment(const Source& source, const flow::Segment& segment, std::uint32_t ack) {
    Inspection& inspection = source.inspection;
    if ((segment.flags & net::tcp_flag::kAck) != 0) inspection.streams[1 - source.direction].acknowledge(ack);
    if (inspection.ended[source.direction]) return;
    flow::TcpStream& stream = inspection.streams[source.direction];
    Sink sink{*this, source};
    end_direction(source, stream.take(segment, stream_context(), sink) && stream.finished());
}

/// After a piece of a stream: it may have come to its end, or to the depth.
void Inspector::end_direction(const Source& source, bool finished) {
    Inspection& inspection = source.inspection;
    const unsigned direction = source.direction;
    if (finished && !inspection.ended[direction]) {
        inspection.ended[direction] = true;
        if (inspection.state != Inspection::kNone) {
            add_hits(rules_.end_stream(states_, inspection.state, direction, context(source), source.scratch),
                     source.scratch);
            if (source.flow.traced) trace_patterns(source);
        }
    }
    if (inspection.ended[direction]) inspection.streams[direction].clear(store_);
}

void Inspector::finish(const flow::FlowEntry& flow, Inspection& inspection, match::MatchScratch& scratch) {
    hits_.clear();
    if (inspection.state == Inspection::kNone || flow.key.proto != net::ip_proto::kTcp) return;
    for (unsigned direction = 0; direction < 2; ++direction) {
        if (inspection.ended[direction]) continue;
        const net::FlowKey reversed = flow.key.reversed();
        const Source source{.packet = nullptr,
                            .flow = flow,
                            .key = direction == 0 ? flow.key : reversed,
                            .inspection = inspection,
                            .scratch = scratch,
                            .direction = direction};
        Sink sink{*this, source};
        end_direction(source, inspection.streams[direction].flush(stream_context(), sink));
    }
}

void Inspector::conclude(const flow::FlowEntry& flow, Inspection& inspection, match::MatchScratch& scratch) {
    if (inspection.state != Inspection::kNone) {
        add_hits(rules_.conclude(states_, inspection.state, flow.key, scratch), scratch);
    } else if (const match::StateIndex state = blank_.acquire(); state != match::PayloadStates::kNone) {
        add_hits(rules_.conclude(blank_, state, flow.key, scratch), scratch);
        blank_.release(state);
    }
}

void Inspector::release(Inspection& inspection) {
    for (flow::TcpStream& stream : inspection.streams) stream.clear(store_);
    inspection.fragments.clear(store_, counters_.fragments);
    if (inspection.state != Inspection::kNone) states_.release(inspection.state);
    inspection.state = Inspection::kNone;
}

}  // namespace yagura::select
