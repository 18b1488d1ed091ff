// SPDX-License-Identifier: BSD-3-Clause
#include "reset/tag_table.h"

namespace yagura::reset {
namespace {

constexpr std::uint64_t kMeant = 3;  ///< numbers in a bucket, on average, when the table is full

}  // namespace

TagTable::TagTable(std::uint32_t capacity)
    : buckets_((capacity + kMeant - 1) / kMeant), tags_(buckets_), numbers_(buckets_ * kPlaces) {}

/// Those who are passed count before the number is there: whoever finds it needs their counts.
std::uint32_t TagTable::add(std::uint64_t hash, std::uint32_t number) {
    std::uint32_t bucket = home(hash);
    while (true) {
        const std::uint64_t tags = tags_[bucket].load(std::memory_order_relaxed);
        const std::uint64_t free = equal(tags, 0);
        if (free != 0) {
            const std::uint32_t chosen = place(bucket, free);
            numbers_[chosen].store(number, std::memory_order_release);
            const unsigned shift = 8 * (chosen % kPlaces);
            tags_[bucket].store(tags | tag_of(hash) << shift, std::memory_order_release);
            if (bucket != home(hash)) ++displaced_;
            return chosen;
        }
        if (tags >> kCountShift != kMostCounted) {
            tags_[bucket].store(tags + (std::uint64_t{1} << kCountShift), std::memory_order_release);
        }
        bucket = next(bucket);
    }
}

void TagTable::remove(std::uint64_t hash, std::uint32_t place) {
    const std::uint32_t last = place / kPlaces;
    const std::uint64_t tag = std::uint64_t{0xff} << 8 * (place % kPlaces);
    tags_[last].store(tags_[last].load(std::memory_order_relaxed) & ~tag, std::memory_order_release);
    if (last != home(hash)) --displaced_;
    for (std::uint32_t bucket = home(hash); bucket != last; bucket = next(bucket)) {
        const std::uint64_t tags = tags_[bucket].load(std::memory_order_relaxed);
        if (tags >> kCountShift != kMostCounted) {
            tags_[bucket].store(tags - (std::uint64_t{1} << kCountShift), std::memory_order_release);
        }
    }
}

}  // namespace yagura::reset
