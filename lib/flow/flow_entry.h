// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "net/parser.h"

namespace yagura::flow {

/// What the selection needs of a flow for every packet. One cache line.
///
/// FlowTable keeps key, key_reversed, last_seen, answered, client_is_dst, used and tcp_state; the rest is the
/// selection's.
struct alignas(64) FlowEntry {
    net::FlowKey key;           ///< as in its first packet
    std::uint32_t decision;     ///< the rules in effect for the flow (select::DecisionTable)
    std::uint32_t history;      ///< all the rules that were ever in effect for a packet of it (same table)
    std::uint32_t inspection;   ///< its state while its payload is matched
    std::uint32_t last_seen;    ///< FlowClock ticks
    std::uint16_t epoch;        ///< the selector which decision, history and inspection belong to; 0: none
    std::uint16_t decided : 1;  ///< no rule can change the verdict any more
    std::uint16_t payload_possible : 1;  ///< a payload rule's header can hold for it
    std::uint16_t late_drop : 1;  ///< dropped after packets had been sent that the drop would have kept back
    std::uint16_t awaits_answer : 1;     ///< a rule of scope onward holds for the direction not yet seen
    std::uint16_t begun_in_reverse : 1;  ///< that direction is the one of `key`
    std::uint16_t remembered : 1;        ///< `history` has the rules of `decision`
    std::uint16_t answered : 1;          ///< a packet against the direction of `key` was seen
    /// The client is the receiver of the first packet: that was a SYN with ACK.
    std::uint16_t client_is_dst : 1;
    std::uint16_t incomplete : 1;  ///< packets were let go that its tools should have got
    std::uint16_t traced : 1;
    std::uint16_t used : 1;
    std::uint16_t tcp_state : 3;     ///< TcpState; of other protocols always kEstablished
    std::uint16_t key_reversed : 1;  ///< `key` is not canonical
    std::uint16_t watched : 1;       ///< every packet of it is shown to dataplane::Responder

    /// `epoch` and all the bits after it in one word, so that several can be compared at once.
    std::uint32_t bits() const {
        std::uint32_t word;
        std::memcpy(&word, reinterpret_cast<const std::uint8_t*>(this) + offsetof(FlowEntry, epoch),
                    sizeof word);
        return word;
    }
};
static_assert(sizeof(FlowEntry) == 64 && offsetof(FlowEntry, epoch) == 60);

/// A place in capture order.
struct CaptureOrder {
    std::uint64_t time;  ///< PacketMeta::order_time
    std::uint64_t file_and_record;

    static CaptureOrder of(std::uint64_t time, std::uint16_t file, std::uint64_t record) {
        return {time, std::uint64_t{file} << kRecordBits | (record & kRecordMask)};
    }
    std::uint16_t file() const { return static_cast<std::uint16_t>(file_and_record >> kRecordBits); }
    std::uint64_t record() const { return file_and_record & kRecordMask; }
    auto operator<=>(const CaptureOrder&) const = default;

  private:
    static constexpr unsigned kRecordBits = 48;
    static constexpr std::uint64_t kRecordMask = (std::uint64_t{1} << kRecordBits) - 1;
};

/// What only the flow's record needs: first what every packet changes, then what its first packet leaves.
struct FlowDetails {
    std::uint64_t last_ns;  ///< time stamp of its last packet in capture order
    CaptureOrder last;
    std::uint64_t packets;  ///< offered to at least one tool
    std::uint64_t bytes;
    std::uint64_t seen_packets;  ///< all that came
    std::uint64_t seen_bytes;

    std::uint64_t first_ns;  ///< time stamp of its first packet in capture order
    CaptureOrder first;
    std::array<std::uint16_t, net::kMaxVlans> vlans;  ///< of its first packet
    std::uint32_t tunnel_id;
    net::Tunnel tunnel;
    std::uint8_t vlan_count;

    void count_offered(std::uint32_t captured) {
        ++packets;
        bytes += captured;
    }
};
static_assert(sizeof(FlowDetails) == 104);

}  // namespace yagura::flow
