// SPDX-License-Identifier: BSD-3-Clause
#include "flow/flow_table.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace yagura::flow {
namespace {

bool same_direction(const net::FlowKey& a, const net::FlowKey& b) {
    return std::memcmp(&a, &b, sizeof a) == 0;
}

bool opposite_direction(const net::FlowKey& a, const net::FlowKey& b) {
    return a.src == b.dst && a.dst == b.src && a.sport == b.dport && a.dport == b.sport &&
           a.proto == b.proto && a.ip_version == b.ip_version;
}

/// The bits above those which choose the bucket; never 0.
std::uint16_t tag_of(std::uint64_t hash) {
    return static_cast<std::uint16_t>(hash >> 48 | 1);
}

}  // namespace

FlowTable::FlowTable(std::uint32_t capacity) : capacity_(std::max<std::uint32_t>(capacity, 1)) {
    const std::uint64_t buckets = std::bit_ceil(std::max<std::uint64_t>(2ull * capacity_ / kSlots, 2));
    buckets_ = base::ZeroedArray<Bucket>(buckets);
    entries_ = base::ZeroedArray<FlowEntry>(capacity_);
    details_ = base::ZeroedArray<FlowDetails>(capacity_);
    mask_ = buckets - 1;
}

FlowTable::Found FlowTable::find_or_insert(const net::FlowKey& key, std::uint64_t hash) {
    const std::uint16_t tag = tag_of(hash);
    const std::uint64_t first = hash & mask_;
    const std::uint64_t second = (first ^ (std::uint64_t{tag} * 0x5bd1e995u)) & mask_;
    Bucket* room = nullptr;
    std::size_t room_slot = kSlots;
    for (const std::uint64_t b : {first, second}) {
        Bucket& bucket = buckets_[b];
        for (std::size_t i = 0; i < kSlots; ++i) {
            if (bucket.tags[i] == 0) {
                // Slots fill from the left and are never freed: the first free one ends the bucket.
                if (i < room_slot) {
                    room = &bucket;
                    room_slot = i;
                }
                break;
            }
            if (bucket.tags[i] != tag) continue;
            const std::uint32_t index = bucket.entries[i];
            const FlowEntry& e = entries_[index];
            if (same_direction(e.key, key)) return {.index = index};
            if (opposite_direction(e.key, key)) return {.index = index, .reverse = true};
        }
    }
    if (room == nullptr || size() == capacity_) return {};
    const std::uint32_t index = size();
    size_.add(1);
    room->tags[room_slot] = tag;
    room->entries[room_slot] = index;
    entries_[index].key = key;
    return {.index = index, .inserted = true};
}

}  // namespace yagura::flow
