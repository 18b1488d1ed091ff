// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <rte_mbuf.h>

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "base/ids.h"
#include "net/parser.h"

namespace yagura::port {

/// Frames larger than this are not taken from a capture file (libpcap's MAXIMUM_SNAPLEN).
inline constexpr std::uint32_t kMaxFrame = 262144;

/// What yagura knows of a packet; lives in the private area of its first mbuf, which is yagura's own.
/// The driver fills the first group, rx the second. From the moment it is handed to select nothing but
/// select writes it, and after the handover to tx nobody does.
///
/// Of a packet that is no fragment nothing touches more than the first two cache lines: the first has what
/// every stage asks and where its headers are, the second begins with the key.
struct PacketMeta {
    // driver
    std::uint64_t timestamp_ns;  ///< since the epoch: of the capture, or when it was received
    /// Place in capture order, compared as (order_time, order_file, order_record). order_time is also the
    /// clock that the stages go by: in replay the virtual clock, which never goes back; live the time of
    /// reception.
    std::uint64_t order_time;    ///< highest time stamp so far in its file
    std::uint64_t order_record;  ///< number of the record in its file, from 0
    std::uint16_t order_file;    ///< place of the file on the command line
    base::PortId port;           ///< network port that it came in by
    std::uint32_t wire_length;   ///< length on the wire; rte_pktmbuf_pkt_len() is what was captured
    // rx
    std::uint64_t flow_hash;  ///< symmetric
    /// The key is not the canonical one of its flow's two (net::FlowKey::is_canonical). False without a flow.
    bool reversed;
    net::ParsedPacket parsed;
    rte_mbuf* next_waiting;  ///< link of the fragment table's lists
};
static_assert(offsetof(PacketMeta, parsed) + offsetof(net::ParsedPacket, key) == RTE_CACHE_LINE_SIZE);
static_assert(offsetof(PacketMeta, parsed) + offsetof(net::ParsedPacket, fragment_id) ==
              2 * RTE_CACHE_LINE_SIZE);
static_assert(sizeof(rte_mbuf) % RTE_CACHE_LINE_SIZE == 0, "the private area begins with a cache line");
inline constexpr std::uint16_t kMetaSize =
    (sizeof(PacketMeta) + RTE_MBUF_PRIV_ALIGN - 1) / RTE_MBUF_PRIV_ALIGN * RTE_MBUF_PRIV_ALIGN;

inline PacketMeta& meta(rte_mbuf* packet) {
    return *static_cast<PacketMeta*>(rte_mbuf_to_priv(packet));
}
inline const PacketMeta& meta(const rte_mbuf* packet) {
    return *static_cast<const PacketMeta*>(rte_mbuf_to_priv(const_cast<rte_mbuf*>(packet)));
}

/// Fills in flow_hash and reversed of a packet that has a flow, from its key, which must be complete: a later
/// fragment has its ports. Whoever fills `parsed` calls this before select sees the packet.
inline void set_flow_hash(PacketMeta& m, const net::HashSeed& seed) {
    const auto [hash, reversed] = m.parsed.key.hash_and_direction(seed);
    m.flow_hash = hash;
    m.reversed = reversed;
}
/// The same for a packet without a flow, whose hash only spreads such packets.
inline void set_hash_without_flow(PacketMeta& m, std::uint64_t hash) {
    m.flow_hash = hash;
    m.reversed = false;
}

/// Room for the bytes of any packet.
using FrameBuffer = std::array<std::uint8_t, kMaxFrame>;

/// The packet's bytes in one piece: where they are, or, when they are chained, copied into `buffer`.
inline base::Bytes contiguous(const rte_mbuf* packet, FrameBuffer& buffer) {
    const std::uint32_t size = rte_pktmbuf_pkt_len(packet);
    return {static_cast<const std::uint8_t*>(rte_pktmbuf_read(packet, 0, size, buffer.data())), size};
}

}  // namespace yagura::port
