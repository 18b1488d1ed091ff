// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/counter.h"
#include "base/zeroed_array.h"
#include "net/parser.h"

namespace yagura::flow {

/// What the selection needs of a flow for every packet. One cache line.
struct alignas(64) FlowEntry {
    net::FlowKey key;             ///< as in its first packet
    std::uint64_t tools;          ///< bit per ToolId: the flow's own verdict
    std::uint32_t decision;       ///< the rules in effect for the flow (select::DecisionTable)
    std::uint32_t history;        ///< all the rules that were ever in effect for a packet of it (same table)
    std::uint32_t last_decision;  ///< of its latest packet: when the next has the same, history cannot change
    /// The selector which `decision`, `history` and `last_decision` belong to; 0: none.
    std::uint32_t epoch : 24;
    std::uint32_t decided : 1;           ///< no rule can change the verdict any more
    std::uint32_t payload_possible : 1;  ///< a payload rule's header can hold for it
    std::uint32_t late_drop : 1;  ///< dropped after packets had been sent that the drop would have kept back
    std::uint32_t
        awaits_answer : 1;  ///< a rule of scope onward holds for the direction that has not been seen
    std::uint32_t begun_in_reverse : 1;  ///< that direction is the one of `key`
};
static_assert(sizeof(FlowEntry) == 64);

/// What only the flow's record needs.
struct FlowDetails {
    std::uint64_t first_ns;  ///< time stamps of its first and last packet, in capture order
    std::uint64_t last_ns;
    std::uint64_t order_time;  ///< place of its first packet in capture order
    std::uint64_t order_record;
    std::uint64_t last_order_time;  ///< of its last packet
    std::uint64_t last_order_record;
    std::uint16_t order_file;
    std::uint16_t last_order_file;
    std::uint8_t vlan_count;
    net::Tunnel tunnel;
    std::uint32_t tunnel_id;
    std::array<std::uint16_t, net::kMaxVlans> vlans;  ///< of its first packet
    std::uint64_t packets;                            ///< offered to at least one tool
    std::uint64_t bytes;
    std::uint64_t seen_packets;  ///< all that came
    std::uint64_t seen_bytes;
    std::uint64_t tools;  ///< every tool that was offered a packet of it
};

/// The flows of one select lcore: both directions in one entry, a bounded number of them. Owned by one
/// thread.
///
/// Two-choice hashing with eight slots to a bucket of one cache line (Azar, Broder, Karlin, Upfal 1999: with
/// two choices the fullest bucket is hardly fuller than the average), filled to a half at most, so that
/// nothing ever has to move. Entries keep their address for life.
class FlowTable {
  public:
    static constexpr std::uint32_t kNone = 0xffffffff;

    /// Room for `capacity` flows (at least 1).
    explicit FlowTable(std::uint32_t capacity);

    /// Brings the hash's bucket towards the cache. Call for the whole burst before the first find.
    void prefetch(std::uint64_t hash) const { __builtin_prefetch(&buckets_[hash & mask_]); }

    struct Found {
        std::uint32_t index = kNone;  ///< kNone: not there, and no room for it
        bool inserted = false;        ///< entry and details are zeroed but for the key
        bool reverse = false;         ///< the packet goes against the direction of the flow's first packet
    };
    /// The entry of this flow, made if it is not there. `hash`: key.symmetric_hash().
    Found find_or_insert(const net::FlowKey& key, std::uint64_t hash);

    FlowEntry& entry(std::uint32_t index) { return entries_[index]; }
    const FlowEntry& entry(std::uint32_t index) const { return entries_[index]; }
    FlowDetails& details(std::uint32_t index) { return details_[index]; }
    const FlowDetails& details(std::uint32_t index) const { return details_[index]; }

    /// Flows in the table: they have the indices 0 .. size() - 1. Any thread may ask.
    std::uint32_t size() const { return static_cast<std::uint32_t>(size_.get()); }
    std::uint32_t capacity() const { return capacity_; }

  private:
    static constexpr std::size_t kSlots = 8;
    struct alignas(64) Bucket {
        std::uint16_t tags[kSlots];  ///< 0: the slot is free
        std::uint32_t entries[kSlots];
    };
    static_assert(sizeof(Bucket) == 64);

    base::ZeroedArray<Bucket> buckets_;
    base::ZeroedArray<FlowEntry> entries_;
    base::ZeroedArray<FlowDetails> details_;
    std::uint64_t mask_;
    std::uint32_t capacity_;
    base::Counter size_;
};

}  // namespace yagura::flow
