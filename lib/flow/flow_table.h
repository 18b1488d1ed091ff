// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <emmintrin.h>

#include <bit>
#include <cassert>
#include <cstddef>
#include <cstdint>

#include "base/counter.h"
#include "base/zeroed_array.h"
#include "flow/flow_clock.h"
#include "flow/flow_entry.h"
#include "flow/same_flow.h"
#include "flow/tcp_state.h"

namespace yagura::flow {

/// How long a flow may be idle before it has ended, in nanoseconds; cut to 4.5 years. A flow ends within two
/// ticks of FlowClock after that, and not before.
struct FlowTimeouts {
    std::uint64_t tcp_opening = 60'000'000'000;  ///< no segment yet with ACK and without SYN
    std::uint64_t tcp = 3'600'000'000'000;
    std::uint64_t tcp_closed = 10'000'000'000;  ///< is_over()
    std::uint64_t udp = 300'000'000'000;
    std::uint64_t other = 60'000'000'000;
};

/// What the table is told of a packet.
struct Arrival {
    std::uint64_t now_ns;    ///< PacketMeta::order_time
    std::uint8_t tcp_flags;  ///< 0 without a whole TCP header
    bool has_payload;
};

/// The flows of one select lcore: both directions in one entry, a bounded number of them. Owned by one
/// thread; counters may be read by any.
///
/// Whether a flow has ended is decided when its next packet looks it up, by the time stamps of the two and
/// by nothing else; so it does not depend on what other flows do, on the number of lcores, or on how far
/// sweep() has come, which only reclaims. A packet with an older stamp than the flow's last (a fragment that
/// has waited for its first one) belongs to it and leaves its time as it is.
///
/// Two-choice hashing with eight slots to a bucket of one cache line (Azar, Broder, Karlin, Upfal 1999: with
/// two choices the fullest bucket is hardly fuller than the average), filled to a half at most, so that
/// nothing ever has to move: a flow goes to its second bucket only when its first has six, and a bucket knows
/// how many did so, which leaves nearly every look-up one bucket to read. Entries keep their index for life.
///
/// Memory: 64 bytes for the entry, 16 (at a capacity that is a power of two; below 32 at others) for its
/// share of the buckets, and 4 to find its bucket again; FlowDetails only if they are kept.
class FlowTable {
  public:
    static constexpr std::uint32_t kNone = 0xffffffff;
    static constexpr std::uint32_t kElsewhere = kNone - 1;
    /// A sweep lets a flow be for so long after its end: a fragment may come that has waited for so long
    /// (FragmentLimits::timeout_ns) and bears a stamp from before the end. Without it such a packet would
    /// find its flow or not by how far the sweep has come.
    static constexpr std::uint64_t kSweepSlackNs = 30'000'000'000;

    /// Room for `capacity` flows (at least 1). Throws std::bad_alloc.
    FlowTable(std::uint32_t capacity, const FlowTimeouts& timeouts, bool keep_details);

    /// Three passes over a burst before its first find, with other work in between: the first brings each
    /// hash's bucket towards the cache, the second the entry that the bucket names, and on request its
    /// details; the third is for flows that may be in their second bucket.
    void prefetch(std::uint64_t hash) const { __builtin_prefetch(&buckets_[hash & mask_]); }
    /// Returns that entry: a good guess at the flow's, whatever happens to the table meanwhile. kNone when
    /// the bucket names none; kElsewhere when the other bucket, which is on its way then, may do so: ask
    /// second_candidate().
    std::uint32_t candidate(std::uint64_t hash, bool details = false) const {
        const std::uint64_t first = hash & mask_;
        const Bucket& bucket = buckets_[first];
        const unsigned hits = bucket.matches(tag_of(hash));
        if (hits == 0) [[unlikely]] {
            if (bucket.moved_on == 0) return kNone;
            __builtin_prefetch(&buckets_[other_bucket(first, tag_of(hash))]);
            return kElsewhere;
        }
        return fetch(bucket, hits, details);
    }
    std::uint32_t second_candidate(std::uint64_t hash, bool details = false) const {
        const Bucket& bucket = buckets_[other_bucket(hash & mask_, tag_of(hash))];
        const unsigned hits = bucket.matches(tag_of(hash));
        return hits == 0 ? kNone : fetch(bucket, hits, details);
    }

    struct Found {
        std::uint32_t index = kNone;  ///< kNone: not there, and no room for it (see victim())
        bool inserted = false;        ///< entry and details are zeroed but for what the table keeps
        bool reverse = false;         ///< the packet goes against the direction of the flow's first packet
        /// What was found has ended: by its timeout, or because a new connection begins where one is over
        /// (is_opening_segment(), is_over()). It is as its last packet left it. The caller finishes it and
        /// calls restart() with the same packet before anything else.
        bool ended = false;
        bool reused = false;  ///< ended, by a new connection
    };
    /// The entry of this flow, made if it is not there. `hash`: key.symmetric_hash().
    Found find_or_insert(const net::FlowKey& key, std::uint64_t hash, const Arrival& arrival);

    /// The entry of this flow, whatever has become of it; kNone when there is none. Changes nothing.
    std::uint32_t look_up(const net::FlowKey& key, std::uint64_t hash) const;
    /// Since the flow's last packet, by the latest time stamp that was seen, to a tick of FlowClock.
    std::uint64_t idle_ns(std::uint32_t index) const {
        const std::uint32_t last = entries_[index].last_seen;
        const std::uint32_t now = clock_.present();
        return now > last ? std::uint64_t{now - last} << FlowClock::kTickShift : 0;
    }

    /// The short way, for what nearly every packet is: `candidate` (of candidate(), not kNone) is its flow,
    /// and the packet changes nothing of it but the time of its last packet. False: nothing of the
    /// flow has changed; ask find_or_insert(). The entry must be is_open(). `reversed`: the key is not
    /// canonical.
    [[nodiscard]] bool goes_on(std::uint32_t candidate, const net::FlowKey& key, bool reversed,
                               const Arrival& arrival) {
        FlowEntry& entry = entries_[candidate];
        assert(is_open(candidate));
        const unsigned against = entry.key_reversed ^ static_cast<unsigned>(reversed);
        const std::uint32_t tick =
            clock_.is_present(arrival.now_ns) ? clock_.present() : tick_of(arrival.now_ns);
        // An earlier stamp than the last wraps round.
        const bool in_time = tick - entry.last_seen <= shortest_timeout_;
        if (!same_flow(entry.key, key, against) || !in_time || !changes_nothing(entry, arrival.tcp_flags) ||
            against > entry.answered) [[unlikely]] {
            return false;
        }
        entry.last_seen = tick;
        return true;
    }

    /// The entry is in use, and its state is kOpening or kEstablished.
    bool is_open(std::uint32_t index) const {
        const FlowEntry& entry = entries_[index];
        return entry.used && entry.tcp_state <= static_cast<unsigned>(TcpState::kEstablished);
    }

    /// A new flow of the same two ends takes the entry, as if inserted.
    void restart(std::uint32_t index, const net::FlowKey& key, const Arrival& arrival);

    /// Frees entry and slot; the index will be used again.
    void erase(std::uint32_t index);

    /// Looks at up to `looks` entries, from where it stopped, for one that ended before now_ns -
    /// kSweepSlackNs, and takes off `looks` those that it has looked at. The caller finishes and erases it.
    /// kNone: there was none among them.
    std::uint32_t sweep(std::uint64_t now_ns, std::uint32_t& looks);

    /// After find_or_insert() had no room for this hash: a flow whose place will do, which the caller
    /// finishes and erases before it asks again. One that has ended; else of those that are over the one idle
    /// for longest, else of those that are opening or of which one direction alone was seen. A flow seen from
    /// both sides never gives way. kNone: all in reach are such.
    std::uint32_t victim(std::uint64_t hash);
    /// The flow has ended by its timeout, or its connection is over: nothing more is to come of it.
    bool is_over(std::uint32_t index) const;

    FlowEntry& entry(std::uint32_t index) { return entries_[index]; }
    const FlowEntry& entry(std::uint32_t index) const { return entries_[index]; }
    /// With keep_details only.
    FlowDetails& details(std::uint32_t index) { return details_[index]; }
    const FlowDetails& details(std::uint32_t index) const { return details_[index]; }
    bool keeps_details() const { return details_.size() != 0; }

    /// Calls back with the index of every flow; the callback may erase it.
    template <class Callback>
    void for_each(Callback&& callback) const {
        for (std::uint32_t i = 0; i < fresh_; ++i) {
            if (entries_[i].used) callback(i);
        }
    }

    /// Takes the memory for all flows that there is room for now, so that no packet waits for the kernel.
    void take_pages() const noexcept {
        buckets_.take_pages();
        entries_.take_pages();
        details_.take_pages();
        links_.take_pages();
    }

    std::uint32_t capacity() const { return capacity_; }
    /// Indices of flows are below.
    std::uint32_t indices() const { return fresh_; }
    /// Flows in the table. Any thread.
    std::uint32_t size() const { return static_cast<std::uint32_t>(size_.get()); }
    /// Flows that ended so: counted when they are handed to the caller. Any thread.
    std::uint64_t ended_by_timeout() const { return by_timeout_.get(); }
    std::uint64_t ended_by_reuse() const { return by_reuse_.get(); }
    std::uint64_t evicted() const { return evicted_.get(); }  ///< by victim(), before their end

  private:
    static constexpr unsigned kSlots = 8;
    /// A flow stays in its first bucket while that has fewer.
    static constexpr unsigned kFirstChoice = 6;
    struct alignas(64) Bucket {
        std::array<std::uint16_t, kSlots> tags;  ///< 0: the slot is free, and so are those after it
        std::array<std::uint32_t, kSlots> entries;
        std::uint32_t moved_on;   ///< flows whose first bucket this is, in their second
        std::uint32_t not_first;  ///< bit per slot: it is the flow's second bucket

        unsigned matches(std::uint16_t tag) const {  ///< bit per slot
            const __m128i all = _mm_load_si128(reinterpret_cast<const __m128i*>(tags.data()));
            const __m128i equal = _mm_cmpeq_epi16(all, _mm_set1_epi16(static_cast<short>(tag)));
            return static_cast<unsigned>(_mm_movemask_epi8(_mm_packs_epi16(equal, _mm_setzero_si128())));
        }
        unsigned size() const { return static_cast<unsigned>(std::countr_zero(matches(0) | 1u << kSlots)); }
    };
    static_assert(sizeof(Bucket) == 64);

    /// The bits above those which choose the first bucket; never 0.
    static std::uint16_t tag_of(std::uint64_t hash) { return static_cast<std::uint16_t>(hash >> 48 | 1); }
    /// The other bucket of a flow in this one. Never the same, because tag and factor are odd.
    std::uint64_t other_bucket(std::uint64_t bucket, std::uint16_t tag) const {
        return (bucket ^ (std::uint64_t{tag} * 0x5bd1e995u)) & mask_;
    }
    /// The entry of the first hit, on its way to the cache.
    std::uint32_t fetch(const Bucket& bucket, unsigned hits, bool details) const {
        const std::uint32_t index = bucket.entries[static_cast<unsigned>(std::countr_zero(hits))];
        __builtin_prefetch(&entries_[index], 1);
        if (details) prefetch_details(index);
        return index;
    }
    void prefetch_details(std::uint32_t index) const;
    std::uint32_t tick_of(std::uint64_t now_ns) {
        if (!clock_.reaches(now_ns)) [[unlikely]]
            move_base(now_ns);
        return clock_.take(now_ns);
    }
    void move_base(std::uint64_t now_ns);
    /// Of an open flow: next_state() would be the same.
    static bool changes_nothing(const FlowEntry& entry, std::uint8_t flags) {
        return entry.tcp_state == static_cast<unsigned>(TcpState::kEstablished) ? is_plain_segment(flags)
                                                                                : is_opening_segment(flags);
    }
    std::uint32_t timeout_of(const FlowEntry& entry) const;
    bool has_ended(const FlowEntry& entry, std::uint32_t tick, std::uint32_t slack) const;
    Found found_in(const Bucket& bucket, std::uint16_t tag, const net::FlowKey& key, bool reversed) const;
    Found touch(Found found, const Arrival& arrival, std::uint32_t tick);
    void begin(FlowEntry& entry, const net::FlowKey& key, const Arrival& arrival, std::uint32_t tick);
    std::uint32_t insert(std::uint64_t first, std::uint16_t tag);

    base::ZeroedArray<Bucket> buckets_;
    base::ZeroedArray<FlowEntry> entries_;
    base::ZeroedArray<FlowDetails> details_;
    base::ZeroedArray<std::uint32_t> links_;  ///< by entry: its bucket; the next free one
    std::uint64_t mask_;
    std::uint32_t capacity_;
    struct Ticks {
        std::uint32_t tcp_opening, tcp, tcp_closed, udp, other;
    };
    Ticks timeouts_;
    std::uint32_t shortest_timeout_;
    FlowClock clock_;
    std::uint32_t fresh_ = 0;  ///< entries from here on were never used
    std::uint32_t free_ = kNone;
    std::uint32_t swept_ = 0;
    base::Counter size_;
    base::Counter by_timeout_;
    base::Counter by_reuse_;
    base::Counter evicted_;
};

}  // namespace yagura::flow
