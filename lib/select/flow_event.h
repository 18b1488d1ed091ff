// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "match/compiled_rules.h"
#include "select/drop_reason.h"

namespace yagura::select {

/// Why a flow is decided.
enum class Decided : std::uint8_t {
    kNothingOpen,   ///< no rule is left that could change what it gets
    kStreamsEnded,  ///< both directions are at their end, or stream_depth of them was looked at
    kFlowEnded,
    kNoRoom,  ///< its inspection was given up for want of room
    kPolicy   ///< its policy was replaced
};
/// Why a flow is over.
enum class FlowEnd : std::uint8_t {
    kTimeout,
    kReuse,    ///< a new connection of the same two ends began
    kEvicted,  ///< the flow table needed its place
    kInput     ///< no more packets come
};
/// Why no more of a direction is matched.
enum class StreamEnd : std::uint8_t { kFin, kDepth };

/// Something that happened to a traced flow. Which members mean something is said with each kind; `direction`
/// is 0 for what goes from FlowTrace::Wanted's src to its dst.
struct FlowEvent {
    enum class Kind : std::uint8_t {
        kBegun,         ///< direction (of its first packet), proto, domain, client_is_dst
        kPacket,        ///< direction, bytes (of payload), packets (captured bytes), and TCP's: see below
        kRule,          ///< rule: it holds, for the flow or for this packet
        kMoreRules,     ///< packets: so many rules besides, not named
        kNotSampled,    ///< rule: it does not hold, whatever comes, for the flow is not in its sample
        kInspected,     ///< rule: payload rules below it are asked from now on; bytes: the flow's hash
        kNotInspected,  ///< payload rules are not asked: too many other flows are inspected
        kPattern,       ///< direction, rule, list, entry, position (where the match ends), in_stream, counted
        kWaits,         ///< direction; bytes wait for those before them, from `position` of the stream on
        kSeenBefore,    ///< direction: all bytes of the segment had been seen
        kGap,           ///< direction, position, bytes: lost for good
        kStreamEnd,     ///< direction, position, stream_end
        kDecided,       ///< decided
        kOutcome,       ///< what became of the packet: tools, held, or drop
        kHoldFull,      ///< packets, bytes: are held, and no more will be
        kReleased,      ///< tools, packets, bytes: were held
        kHeldDropped,   ///< drop, packets, bytes: were held; kNone: for more tools than they went to
        kEnded,         ///< end
    };
    Kind kind;
    std::uint8_t direction = 0;
    DropReason drop = DropReason::kNone;
    Decided decided = Decided::kNothingOpen;
    FlowEnd end = FlowEnd::kTimeout;
    StreamEnd stream_end = StreamEnd::kFin;
    match::PatternList list = match::PatternList::kAny;
    std::uint8_t proto = 0;
    std::uint8_t tcp_flags = 0;
    bool counted = false;
    bool in_stream = false;  ///< position counts from the direction's first byte, not the packet's
    bool held = false;
    bool client_is_dst = false;  ///< the client is the one whom direction 0 of the *flow* goes to
    bool has_transport = false;  ///< the packet has a whole transport header
    bool cut = false;            ///< not all of its payload was captured
    bool fragment = false;       ///< of an IP packet
    std::uint16_t file = 0;      ///< place of its packet in capture order, if `of_packet`
    bool of_packet = false;      ///< it happened by a packet of the flow
    std::uint32_t flow = 0;      ///< which of the trace's flows, from 0
    match::RuleIndex rule = 0;
    std::uint32_t entry = 0;
    std::uint32_t packets = 0;
    std::array<std::uint16_t, 3> domain{};
    std::uint64_t record = 0;
    std::uint64_t time_ns = 0;  ///< of the packet; of what happens by no packet, the clock of the stages
    std::uint64_t bytes = 0;
    std::uint64_t tools = 0;  ///< bit per ToolId
    /// Of a segment, where its payload begins in the direction's stream: below 0 if that is before the first
    /// that was seen. Of a pattern, in the stream, or in the packet's payload (in_stream).
    std::int64_t position = 0;
};

/// As in the output of `yagura explain`.
std::string_view name(FlowEvent::Kind kind);
std::string_view name(Decided why);
std::string_view name(FlowEnd end);
std::string_view name(StreamEnd end);

}  // namespace yagura::select
