// SPDX-License-Identifier: BSD-3-Clause
#include "flow/flow_table.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstring>
#include <tuple>

#include "net/protocol_numbers.h"

namespace yagura::flow {
namespace {

constexpr std::uint32_t kSweepSlack = FlowClock::ticks(FlowTable::kSweepSlackNs);

bool is_tcp(const FlowEntry& entry) {
    return entry.key.proto == net::ip_proto::kTcp;
}

TcpState state_of(const FlowEntry& entry) {
    return static_cast<TcpState>(entry.tcp_state);
}

bool connection_is_over(const FlowEntry& entry) {
    return is_tcp(entry) && is_over(state_of(entry), entry.answered);
}

bool is_one_sided(const FlowEntry& entry) {
    return !entry.answered || (is_tcp(entry) && state_of(entry) == TcpState::kOpening);
}

void advance(FlowEntry& entry, const Arrival& arrival, bool reverse) {
    const TcpSignal segment{
        .flags = arrival.tcp_flags, .from_dst = reverse, .has_payload = arrival.has_payload};
    entry.tcp_state = static_cast<std::uint16_t>(next_state(state_of(entry), segment)) & 7;
}

}  // namespace

FlowTable::FlowTable(std::uint32_t capacity, const FlowTimeouts& timeouts, bool keep_details)
    : capacity_(std::clamp<std::uint32_t>(capacity, 1, kNone - 1)),
      timeouts_{.tcp_opening = FlowClock::ticks(timeouts.tcp_opening),
                .tcp = FlowClock::ticks(timeouts.tcp),
                .tcp_closed = FlowClock::ticks(timeouts.tcp_closed),
                .udp = FlowClock::ticks(timeouts.udp),
                .other = FlowClock::ticks(timeouts.other)} {
    const std::uint64_t buckets = std::bit_ceil(std::max<std::uint64_t>(2ull * capacity_ / kSlots, 2));
    buckets_ = base::ZeroedArray<Bucket>(buckets);
    entries_ = base::ZeroedArray<FlowEntry>(capacity_, base::Filled::kInOrder);
    links_ = base::ZeroedArray<std::uint32_t>(capacity_, base::Filled::kInOrder);
    if (keep_details) details_ = base::ZeroedArray<FlowDetails>(capacity_, base::Filled::kInOrder);
    mask_ = buckets - 1;
    shortest_timeout_ = std::min(
        {timeouts_.tcp_opening, timeouts_.tcp, timeouts_.tcp_closed, timeouts_.udp, timeouts_.other});
}

void FlowTable::move_base(std::uint64_t now_ns) {
    const std::uint64_t moved = clock_.move_base(now_ns);
    for_each(
        [&](std::uint32_t i) { entries_[i].last_seen = FlowClock::moved_by(entries_[i].last_seen, moved); });
}

std::uint32_t FlowTable::timeout_of(const FlowEntry& entry) const {
    if (is_tcp(entry)) {
        if (connection_is_over(entry)) return timeouts_.tcp_closed;
        return state_of(entry) == TcpState::kOpening ? timeouts_.tcp_opening : timeouts_.tcp;
    }
    return entry.key.proto == net::ip_proto::kUdp ? timeouts_.udp : timeouts_.other;
}

bool FlowTable::has_ended(const FlowEntry& entry, std::uint32_t tick, std::uint32_t slack) const {
    return tick > entry.last_seen && tick - entry.last_seen > timeout_of(entry) + slack;
}

void FlowTable::prefetch_details(std::uint32_t index) const {
    if (!keeps_details()) return;
    const auto* line = reinterpret_cast<const std::uint8_t*>(&details_[index]);
    __builtin_prefetch(line, 1);
    __builtin_prefetch(line + offsetof(FlowDetails, first_ns) + sizeof(std::uint64_t), 1);
}

inline FlowTable::Found FlowTable::found_in(const Bucket& bucket, std::uint16_t tag, const net::FlowKey& key,
                                            bool reversed) const {
    for (unsigned hits = bucket.matches(tag); hits != 0; hits &= hits - 1) {
        const std::uint32_t index = bucket.entries[static_cast<unsigned>(std::countr_zero(hits))];
        const FlowEntry& entry = entries_[index];
        const unsigned against = entry.key_reversed ^ static_cast<unsigned>(reversed);
        if (same_flow(entry.key, key, against)) return {.index = index, .reverse = against != 0};
    }
    return {};
}

void FlowTable::begin(FlowEntry& entry, const net::FlowKey& key, const Arrival& arrival, std::uint32_t tick) {
    entry.key = key;
    entry.last_seen = tick;
    entry.used = true;
    entry.key_reversed = !key.is_canonical();
    entry.tcp_state =
        static_cast<std::uint16_t>(is_tcp(entry) ? TcpState::kOpening : TcpState::kEstablished) & 7;
    if (!is_tcp(entry)) return;
    entry.client_is_dst = is_opening_answer(arrival.tcp_flags);
    advance(entry, arrival, false);
}

inline FlowTable::Found FlowTable::touch(Found found, const Arrival& arrival, std::uint32_t tick) {
    FlowEntry& entry = entries_[found.index];
    if (tick > entry.last_seen && has_ended(entry, tick, 0)) {
        by_timeout_.add(1);
        found.ended = true;
        return found;
    }
    // What nearly every packet is changes nothing.
    const bool plain = state_of(entry) == TcpState::kEstablished && is_plain_segment(arrival.tcp_flags);
    if (!plain && is_tcp(entry)) {
        if (is_opening_segment(arrival.tcp_flags) && connection_is_over(entry)) {
            by_reuse_.add(1);
            found.ended = found.reused = true;
            return found;
        }
        advance(entry, arrival, found.reverse);
    }
    entry.answered = (entry.answered | (found.reverse ? 1u : 0u)) & 1u;
    entry.last_seen = std::max(entry.last_seen, tick);
    return found;
}

std::uint32_t FlowTable::insert(std::uint64_t first, std::uint16_t tag) {
    if (free_ == kNone && fresh_ == capacity_) return kNone;
    std::uint64_t home = first;
    unsigned slot = buckets_[first].size();
    if (slot >= kFirstChoice) {
        const std::uint64_t second = other_bucket(first, tag);
        const unsigned second_size = buckets_[second].size();
        if (second_size < slot) {
            home = second;
            slot = second_size;
        }
        if (slot == kSlots) return kNone;
    }
    std::uint32_t index = free_;
    if (index == kNone) {
        index = fresh_++;
    } else {
        free_ = links_[index];
        entries_[index] = {};
        if (keeps_details()) details_[index] = {};
    }
    Bucket& bucket = buckets_[home];
    bucket.tags[slot] = tag;
    bucket.entries[slot] = index;
    if (home != first) {
        bucket.not_first |= 1u << slot;
        ++buckets_[first].moved_on;
    }
    links_[index] = static_cast<std::uint32_t>(home);
    size_.add(1);
    return index;
}

FlowTable::Found FlowTable::find_or_insert(const net::FlowKey& key, std::uint64_t hash,
                                           const Arrival& arrival) {
    const std::uint32_t tick = tick_of(arrival.now_ns);
    const std::uint16_t tag = tag_of(hash);
    const std::uint64_t first = hash & mask_;
    const bool reversed = !key.is_canonical();
    const Bucket& bucket = buckets_[first];
    Found found = found_in(bucket, tag, key, reversed);
    if (found.index == kNone && bucket.moved_on != 0) {
        found = found_in(buckets_[other_bucket(first, tag)], tag, key, reversed);
    }
    if (found.index != kNone) [[likely]]
        return touch(found, arrival, tick);
    found.index = insert(first, tag);
    if (found.index == kNone) return found;
    found.inserted = true;
    begin(entries_[found.index], key, arrival, tick);
    return found;
}

std::uint32_t FlowTable::look_up(const net::FlowKey& key, std::uint64_t hash) const {
    const std::uint16_t tag = tag_of(hash);
    const std::uint64_t first = hash & mask_;
    const bool reversed = !key.is_canonical();
    const Found found = found_in(buckets_[first], tag, key, reversed);
    if (found.index != kNone) return found.index;
    return found_in(buckets_[other_bucket(first, tag)], tag, key, reversed).index;
}

void FlowTable::restart(std::uint32_t index, const net::FlowKey& key, const Arrival& arrival) {
    entries_[index] = {};
    if (keeps_details()) details_[index] = {};
    begin(entries_[index], key, arrival, tick_of(arrival.now_ns));
}

void FlowTable::erase(std::uint32_t index) {
    Bucket& bucket = buckets_[links_[index]];
    const unsigned last = bucket.size() - 1;
    unsigned hole = 0;
    while (bucket.entries[hole] != index) ++hole;
    const unsigned hole_bit = 1u << hole;
    const unsigned last_bit = 1u << last;
    if ((bucket.not_first & hole_bit) != 0)
        --buckets_[other_bucket(links_[index], bucket.tags[hole])].moved_on;
    // The last one goes into the hole, so that the first free slot ends the bucket.
    bucket.tags[hole] = bucket.tags[last];
    bucket.entries[hole] = bucket.entries[last];
    const bool last_not_first = (bucket.not_first & last_bit) != 0;
    bucket.not_first = last_not_first ? bucket.not_first | hole_bit : bucket.not_first & ~hole_bit;
    bucket.not_first &= ~last_bit;
    bucket.tags[last] = 0;

    entries_[index].used = false;
    links_[index] = free_;
    free_ = index;
    size_.add(~std::uint64_t{0});
}

std::uint32_t FlowTable::sweep(std::uint64_t now_ns, std::uint32_t& looks) {
    const std::uint32_t tick = tick_of(now_ns);
    for (looks = std::min(looks, fresh_); looks != 0;) {
        --looks;
        const std::uint32_t index = swept_ < fresh_ ? swept_ : 0;
        swept_ = index + 1;
        const FlowEntry& e = entries_[index];
        if (!e.used || !has_ended(e, tick, kSweepSlack)) continue;
        by_timeout_.add(1);
        return index;
    }
    return kNone;
}

bool FlowTable::is_over(std::uint32_t index) const {
    const FlowEntry& e = entries_[index];
    return has_ended(e, clock_.present(), 0) || (is_tcp(e) && connection_is_over(e));
}

std::uint32_t FlowTable::victim(std::uint64_t hash) {
    const std::uint64_t first = hash & mask_;
    std::tuple<unsigned, std::uint32_t> best{3, 0};
    std::uint32_t chosen = kNone;
    for (const std::uint64_t b : {first, other_bucket(first, tag_of(hash))}) {
        const Bucket& bucket = buckets_[b];
        for (unsigned slot = 0; slot < bucket.size(); ++slot) {
            const FlowEntry& e = entries_[bucket.entries[slot]];
            const bool ended = has_ended(e, clock_.present(), kSweepSlack);
            const unsigned rank = ended ? 0 : connection_is_over(e) ? 1 : is_one_sided(e) ? 2 : 3;
            if (const std::tuple place{rank, e.last_seen}; place < best) {
                best = place;
                chosen = bucket.entries[slot];
            }
        }
    }
    if (chosen != kNone) (std::get<0>(best) == 0 ? by_timeout_ : evicted_).add(1);
    return chosen;
}

}  // namespace yagura::flow
