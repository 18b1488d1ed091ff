// SPDX-License-Identifier: BSD-3-Clause
#include "select/flow_trace.h"

#include <algorithm>

#include "base/bytes.h"
#include "net/protocol_numbers.h"
#include "select/selector.h"

namespace yagura::select {
namespace {

using Kind = FlowEvent::Kind;

constexpr std::size_t kTcpSequenceAt = 4;

net::FlowKey without_domain(net::FlowKey key, bool any_protocol) {
    key.domain = {};
    if (any_protocol) key.proto = 0;
    return key;
}

}  // namespace

FlowTrace::FlowTrace(const Wanted& wanted, std::size_t events)
    : wanted_{.key = without_domain(wanted.key, wanted.any_protocol), .any_protocol = wanted.any_protocol},
      reversed_(wanted_.key.reversed()),
      room_(std::max<std::size_t>(events / 2, 1)) {
    head_.reserve(room_);
    tail_.reserve(room_);
    flows_.reserve(kMostFlows);
    near_.reserve(kMostNearMisses);
}

bool FlowTrace::matches(const net::FlowKey& key) const {
    const net::FlowKey plain = without_domain(key, wanted_.any_protocol);
    return plain == wanted_.key || plain == reversed_;
}

bool FlowTrace::same_hosts(const net::FlowKey& key) const {
    const net::FlowKey& w = wanted_.key;
    return key.ip_version == w.ip_version &&
           ((key.src == w.src && key.dst == w.dst) || (key.src == w.dst && key.dst == w.src));
}

void FlowTrace::note_near_miss(const net::FlowKey& key) {
    if (!same_hosts(key)) return;
    ++near_count_;
    const net::FlowKey plain = without_domain(key, false);
    const bool known = std::ranges::any_of(
        near_, [&](const net::FlowKey& k) { return k == plain || k == plain.reversed(); });
    if (!known && near_.size() < kMostNearMisses) near_.push_back(plain);
}

FlowTrace::Flow* FlowTrace::find(std::uint32_t index) {
    const auto found = std::ranges::find(flows_, index, &Flow::index);
    return found == flows_.end() ? nullptr : &*found;
}

void FlowTrace::begin(std::uint32_t index, flow::FlowEntry& flow, std::uint64_t now_ns) {
    if (!matches(flow.key)) return note_near_miss(flow.key);
    if (flows_.size() == kMostFlows) {
        ++untraced_;
        return;
    }
    flow.traced = true;
    const bool same = without_domain(flow.key, wanted_.any_protocol) == wanted_.key;
    flows_.push_back(
        {.index = index, .number = begun_++, .flip = static_cast<std::uint8_t>(same ? 0 : 1), .places = {}});
    turn_to(index, now_ns);
    note({.kind = Kind::kBegun,
          .proto = flow.key.proto,
          .client_is_dst = flow.client_is_dst != 0,
          .domain = flow.key.domain});
}

void FlowTrace::turn_to(std::uint32_t index, std::uint64_t now_ns) {
    now_ = find(index);
    clock_ = now_ns;
}

void FlowTrace::append(const FlowEvent& event) {
    ++noted_;
    if (head_.size() < room_) {
        head_.push_back(event);
    } else if (tail_.size() < room_) {
        tail_.push_back(event);
    } else {
        tail_[tail_at_] = event;
        tail_at_ = (tail_at_ + 1) % room_;
    }
}

void FlowTrace::note(FlowEvent event) {
    if (now_ == nullptr) return;
    event.flow = now_->number;
    event.direction ^= now_->flip;
    event.time_ns = clock_;
    if (place_.of_packet && place_.flow == event.flow) {
        event.of_packet = true;
        event.file = place_.file;
        event.record = place_.record;
        event.time_ns = place_.time_ns;
    }
    append(event);
}

std::vector<FlowEvent> FlowTrace::events() const {
    std::vector<FlowEvent> all(head_);
    const auto oldest = tail_.begin() + static_cast<std::ptrdiff_t>(tail_at_);
    all.insert(all.end(), oldest, tail_.end());
    all.insert(all.end(), tail_.begin(), oldest);
    return all;
}

// ---- one packet

/// Where a segment's payload begins, counted as flow::TcpStream does: from the SYN, or from the first payload
/// that was seen.
std::int64_t FlowTrace::place_of(Place& place, std::uint32_t seq, bool syn, bool data) {
    if (syn) ++seq;
    if (syn ? !place.data : data && !place.known) place = {.seq = seq, .at = 0, .known = true};
    place.data |= data;
    if (!place.known) return 0;
    const std::int64_t at = place.at + static_cast<std::int32_t>(seq - place.seq);
    if (at > place.at) {
        place.at = at;
        place.seq = seq;
    }
    return at;
}

void FlowTrace::packet(std::uint32_t index, const flow::FlowEntry& flow, const Selector& selector,
                       const Packet& packet) {
    const net::ParsedPacket& parsed = *packet.view.parsed;
    turn_to(index, packet.timestamp_ns);
    if (now_ == nullptr) return;
    place_ = {.kind = Kind::kPacket,
              .file = packet.file,
              .of_packet = true,
              .flow = now_->number,
              .record = packet.record,
              .time_ns = packet.timestamp_ns};

    before_ = {.decided = flow.decided != 0, .direction = parsed.key == flow.key ? 0u : 1u};
    // What a fragment brings is looked at with the last of its datagram.
    before_.payload = parsed.payload_size != 0 && !parsed.is_fragment;
    if (selector.inspects(flow)) {
        const Inspection& inspection = selector.inspections()[flow.inspection];
        const flow::TcpStream& stream = inspection.streams[before_.direction];
        before_.inspected = true;
        before_.ended = inspection.ended;
        before_.waiting = stream.waiting_bytes();
        before_.position = stream.position();
    }

    FlowEvent event{.kind = Kind::kPacket,
                    .direction = static_cast<std::uint8_t>(before_.direction),
                    .proto = parsed.key.proto,
                    .tcp_flags = parsed.tcp_flags,
                    .has_transport = parsed.transport != net::kNoOffset,
                    .fragment = parsed.is_fragment,
                    .packets = packet.view.captured};
    if (parsed.payload != net::kNoOffset) {
        event.bytes = net::payload_wire_size(packet.view.frame, packet.view.wire_length, parsed);
        event.cut = event.bytes > parsed.payload_size;
    }
    if (parsed.key.proto == net::ip_proto::kTcp && event.has_transport) {
        event.position = place_of(now_->places[before_.direction],
                                  base::load_be32(&packet.view.frame[parsed.transport + kTcpSequenceAt]),
                                  (parsed.tcp_flags & net::tcp_flag::kSyn) != 0, event.bytes != 0);
    }
    note(event);
}

void FlowTrace::selected(std::uint32_t index, const flow::FlowEntry& flow, const Selector& selector,
                         const Verdict& verdict) {
    now_ = find(index);
    if (now_ == nullptr) return;
    if (!selector.inspects(flow)) {
        if (flow.decided && !now_->decided) note({.kind = Kind::kDecided, .decided = Decided::kNothingOpen});
        now_->decided = flow.decided != 0;
        return;
    }
    const Inspection& inspection = selector.inspections()[flow.inspection];
    const flow::TcpStream& stream = inspection.streams[before_.direction];
    const auto direction = static_cast<std::uint8_t>(before_.direction);
    if (stream.waiting_bytes() > before_.waiting) {
        note({.kind = Kind::kWaits,
              .direction = direction,
              .bytes = stream.waiting_bytes(),
              .position = static_cast<std::int64_t>(stream.position())});
    } else if (flow.key.proto == net::ip_proto::kTcp && before_.inspected && before_.payload &&
               !before_.ended[direction] && stream.position() == before_.position &&
               stream.waiting_bytes() == before_.waiting) {
        note({.kind = Kind::kSeenBefore, .direction = direction});
    }
    for (std::uint8_t d = 0; d < 2; ++d) {
        if (!inspection.ended[d] || before_.ended[d]) continue;
        note({.kind = Kind::kStreamEnd,
              .direction = d,
              .stream_end = inspection.streams[d].finished() ? StreamEnd::kFin : StreamEnd::kDepth,
              .position = static_cast<std::int64_t>(inspection.scanned[d])});
    }
    if (!verdict.closed) return;
    now_->decided = true;
    const bool ended = inspection.ended[0] && inspection.ended[1];
    note({.kind = Kind::kDecided,
          .decided = inspection.gave_up ? Decided::kNoRoom
                     : ended            ? Decided::kStreamsEnded
                                        : Decided::kNothingOpen});
}

void FlowTrace::outcome(std::uint32_t index, const Verdict& verdict, bool held) {
    now_ = find(index);
    note({.kind = Kind::kOutcome, .drop = verdict.reason, .held = held, .tools = verdict.tools});
    place_.of_packet = false;
}

void FlowTrace::unheld(std::uint64_t tools, DropReason drop, std::uint32_t packets, std::uint64_t bytes) {
    const Kind kind = tools != 0 ? Kind::kReleased : Kind::kHeldDropped;
    if (now_ != nullptr && noted_ != 0) {
        // Neighbours with the same end are one event.
        FlowEvent& last = tail_.empty() ? head_.back() : tail_[(tail_at_ + tail_.size() - 1) % tail_.size()];
        if (last.kind == kind && last.flow == now_->number && last.tools == tools && last.drop == drop) {
            last.packets += packets;
            last.bytes += bytes;
            return;
        }
    }
    note({.kind = kind, .drop = drop, .packets = packets, .bytes = bytes, .tools = tools});
}

void FlowTrace::end(std::uint32_t index, FlowEnd why, std::uint64_t now_ns) {
    turn_to(index, now_ns);
    if (now_ == nullptr) return;
    note({.kind = Kind::kEnded, .end = why});
    *now_ = flows_.back();
    flows_.pop_back();
    now_ = nullptr;
}

std::string_view name(FlowEvent::Kind kind) {
    switch (kind) {
        case Kind::kBegun:
            return "begun";
        case Kind::kPacket:
            return "packet";
        case Kind::kRule:
            return "rule";
        case Kind::kMoreRules:
            return "more_rules";
        case Kind::kNotSampled:
            return "not_sampled";
        case Kind::kInspected:
            return "inspected";
        case Kind::kNotInspected:
            return "not_inspected";
        case Kind::kPattern:
            return "pattern";
        case Kind::kWaits:
            return "waits";
        case Kind::kSeenBefore:
            return "seen_before";
        case Kind::kGap:
            return "gap";
        case Kind::kStreamEnd:
            return "stream_end";
        case Kind::kDecided:
            return "decided";
        case Kind::kOutcome:
            return "outcome";
        case Kind::kHoldFull:
            return "hold_full";
        case Kind::kReleased:
            return "released";
        case Kind::kHeldDropped:
            return "held_dropped";
        case Kind::kEnded:
            return "ended";
    }
    return "";
}

std::string_view name(Decided why) {
    switch (why) {
        case Decided::kNothingOpen:
            return "nothing_open";
        case Decided::kStreamsEnded:
            return "streams_ended";
        case Decided::kFlowEnded:
            return "flow_ended";
        case Decided::kNoRoom:
            return "no_room";
        case Decided::kPolicy:
            return "policy_replaced";
    }
    return "";
}

std::string_view name(FlowEnd end) {
    switch (end) {
        case FlowEnd::kTimeout:
            return "timeout";
        case FlowEnd::kReuse:
            return "port_reuse";
        case FlowEnd::kEvicted:
            return "evicted";
        case FlowEnd::kInput:
            return "end_of_input";
    }
    return "";
}

std::string_view name(StreamEnd end) {
    switch (end) {
        case StreamEnd::kFin:
            return "fin";
        case StreamEnd::kDepth:
            return "stream_depth";
    }
    return "";
}

}  // namespace yagura::select
