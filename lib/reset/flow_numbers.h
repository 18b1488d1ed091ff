// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "net/parser.h"
#include "net/protocol_numbers.h"

namespace yagura::reset {

/// How far b lies behind a, in sequence numbers, which wrap around (RFC 9293, 3.4).
constexpr std::int32_t distance(std::uint32_t a, std::uint32_t b) {
    return static_cast<std::int32_t>(b - a);
}

/// What a segment on the wire says.
struct SeenSegment {
    std::uint32_t seq = 0;
    std::uint32_t ack = 0;      ///< meaningless without the flag
    std::uint32_t payload = 0;  ///< bytes on the wire
    std::uint16_t window = 0;   ///< as it goes over the wire, unscaled
    std::uint8_t flags = 0;     ///< net::tcp_flag
    std::uint8_t ttl = 0;

    bool has(std::uint8_t flag) const { return (flags & flag) != 0; }
    /// The number behind its last byte: SYN and FIN count as one each.
    std::uint32_t end() const {
        return seq + payload + (has(net::tcp_flag::kSyn) ? 1u : 0u) + (has(net::tcp_flag::kFin) ? 1u : 0u);
    }
};

/// Of a frame with a whole TCP header; nothing else.
std::optional<SeenSegment> read_segment(base::Bytes frame, std::size_t wire_length,
                                        const net::ParsedPacket& parsed);

/// What one end of a connection has said last. All zero: nothing was seen of it.
struct EndNumbers {
    static constexpr std::uint8_t kHasSeq = 1;
    static constexpr std::uint8_t kHasAck = 2;
    static constexpr std::uint8_t kSynSent = 4;
    static constexpr std::uint8_t kFinSent = 8;
    static constexpr std::uint8_t kResetSent = 16;  ///< with a number that its peer obeys

    std::uint32_t seq_end;  ///< behind the last byte that it sent: what its peer waits for once all has come
    std::uint32_t ack;      ///< the last byte number that it waits for, by its own word: its RCV.NXT
    std::uint16_t window;
    std::uint8_t ttl;
    std::uint8_t bits;

    bool has(std::uint8_t bit) const { return (bits & bit) != 0; }
    bool operator==(const EndNumbers&) const = default;
};

/// What must be remembered of a TCP flow so that it can be cut at any time, though no packet of it may come
/// any more: 24 bytes beside its entry. ends[0] sends in the direction of the flow's key, ends[1] against it.
/// Zeroed when the flow begins. Belongs to the flow's thread.
struct FlowNumbers {
    std::array<EndNumbers, 2> ends;

    /// For each segment. Numbers go forward only: what comes again, late or as a keep-alive probe (whose
    /// number is one below) changes nothing. An acknowledgement of what the peer is not known to have sent is
    /// not believed once anything is known of the peer.
    void note(unsigned from, const SeenSegment& segment);

    /// Both FINs came and were acknowledged, or an end has reset the connection.
    bool is_over() const;

    bool operator==(const FlowNumbers&) const = default;
};
static_assert(sizeof(EndNumbers) == 12 && sizeof(FlowNumbers) == 24);

inline void FlowNumbers::note(unsigned from, const SeenSegment& segment) {
    EndNumbers& end = ends[from];
    EndNumbers& peer = ends[1 - from];
    if (segment.has(net::tcp_flag::kRst)) [[unlikely]] {
        const bool exact = (peer.has(EndNumbers::kHasAck) && segment.seq == peer.ack) ||
                           (end.has(EndNumbers::kHasSeq) && segment.seq == end.seq_end);
        if (exact) end.bits |= EndNumbers::kResetSent;
        return;
    }
    const std::uint32_t behind = segment.end();
    if (!end.has(EndNumbers::kHasSeq) || distance(end.seq_end, behind) > 0) {
        end.seq_end = behind;
        end.bits |= EndNumbers::kHasSeq;
        if (segment.has(net::tcp_flag::kSyn)) end.bits |= EndNumbers::kSynSent;
        if (segment.has(net::tcp_flag::kFin)) end.bits |= EndNumbers::kFinSent;
        // Who goes on sending has not ended, whoever said so.
        end.bits = static_cast<std::uint8_t>(end.bits & ~EndNumbers::kResetSent);
    }
    if (segment.has(net::tcp_flag::kAck)) {
        const bool newer = !end.has(EndNumbers::kHasAck) || distance(end.ack, segment.ack) > 0;
        if (newer && (!peer.has(EndNumbers::kHasSeq) || distance(segment.ack, peer.seq_end) >= 0)) {
            end.ack = segment.ack;
            end.bits |= EndNumbers::kHasAck;
        }
    }
    end.window = segment.window;
    end.ttl = segment.ttl;
}

inline bool FlowNumbers::is_over() const {
    const auto [a, b] = ends;
    if (a.has(EndNumbers::kResetSent) || b.has(EndNumbers::kResetSent)) return true;
    return a.has(EndNumbers::kFinSent) && b.has(EndNumbers::kFinSent) && a.ack == b.seq_end &&
           b.ack == a.seq_end;
}

}  // namespace yagura::reset
