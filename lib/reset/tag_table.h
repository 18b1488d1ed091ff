// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <tmmintrin.h>

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "base/zeroed_array.h"

namespace yagura::reset {

/// Numbers by the hash of what they stand for, made for the answer "there is none": a byte of each hash, its
/// tag, stands in a table of its own, seven to a bucket of one word, and that word is all that is read for
/// most hashes that nobody has. Whoever asks compares the things themselves.
///
/// A number that finds its bucket full goes on to the next one, and each bucket counts those that went
/// on: only then a look-up goes on too. Numbers never move.
///
/// One thread changes; any thread asks, at any time, without locks. A number that is there all through a
/// look-up is found; one that comes or goes may or may not be, and one that went may be shown as a candidate.
class TagTable {
  public:
    /// For at most `capacity` numbers at a time, 1 to 2^29: then three of a bucket's seven places are in use
    /// on average. Throws std::bad_alloc.
    explicit TagTable(std::uint32_t capacity);

    // Any thread

    /// False: there is no number with one of these hashes, and none can have gone on from their buckets. Else
    /// look with find().
    bool may_have(std::uint64_t one, std::uint64_t other) const {
        const auto both = [](std::uint64_t low, std::uint64_t high) {
            return _mm_set_epi64x(static_cast<std::int64_t>(high), static_cast<std::int64_t>(low));
        };
        const __m128i buckets = both(tags_[home(one)].load(std::memory_order_acquire),
                                     tags_[home(other)].load(std::memory_order_acquire));
        // Seven times the upper byte of each hash, then 0, which a count is that says nothing.
        const __m128i spread = both(0x80'07070707070707, 0x80'0f0f0f0f0f0f0f);
        const __m128i wanted = _mm_shuffle_epi8(_mm_max_epu8(both(one, other), _mm_set1_epi8(1)), spread);
        constexpr int kNothing = 0x8080;
        return _mm_movemask_epi8(_mm_cmpeq_epi8(buckets, wanted)) != kNothing;
    }
    /// Shows `is_it` numbers that may have this hash, until it says true. Whether it did.
    template <class IsIt>
    bool find(std::uint64_t hash, IsIt&& is_it) const {
        std::uint32_t bucket = home(hash);
        for (std::uint32_t looked = 0; looked < buckets_; ++looked) {
            const std::uint64_t tags = tags_[bucket].load(std::memory_order_acquire);
            for (std::uint64_t hits = equal(tags, tag_of(hash)); hits != 0; hits &= hits - 1) {
                if (is_it(numbers_[place(bucket, hits)].load(std::memory_order_acquire))) return true;
            }
            if (tags >> kCountShift == 0) return false;
            bucket = next(bucket);
        }
        return false;
    }

    // The writer

    /// Returns its place, for remove(). What the number stands for must be written before.
    std::uint32_t add(std::uint64_t hash, std::uint32_t number);
    void remove(std::uint64_t hash, std::uint32_t place);

    /// Numbers that are not in their own bucket: less than one percent in a full table of many, whatever is
    /// in it, unless somebody knows how hashes come about.
    std::uint32_t displaced() const { return displaced_; }
    std::size_t bytes() const {
        return tags_.size() * sizeof(std::uint64_t) + numbers_.size() * sizeof(std::uint32_t);
    }

  private:
    static constexpr unsigned kPlaces = 7;
    /// The last byte of a bucket's word: how many went on; 255: so many that they are not counted any more.
    static constexpr unsigned kCountShift = 56;
    static constexpr std::uint64_t kMostCounted = 255;
    static constexpr std::uint64_t kEach = 0x0001'0101'0101'0101;

    /// Never 0, which is a free place's.
    static std::uint64_t tag_of(std::uint64_t hash) {
        const std::uint64_t tag = hash >> kCountShift;
        return tag + (tag == 0 ? 1 : 0);
    }
    /// The upper bit of each place with this tag. The lowest is right; above it there may be some too many.
    static std::uint64_t equal(std::uint64_t tags, std::uint64_t tag) {
        const std::uint64_t differences = tags ^ tag * kEach;
        return (differences - kEach) & ~differences & kEach << 7;
    }
    static std::uint32_t place(std::uint32_t bucket, std::uint64_t hits) {
        return bucket * kPlaces + static_cast<std::uint32_t>(std::countr_zero(hits)) / 8;
    }
    /// By the hash's lower half as a fraction of all buckets, of which there may be any number.
    std::uint32_t home(std::uint64_t hash) const {
        return static_cast<std::uint32_t>((hash & 0xffff'ffff) * buckets_ >> 32);
    }
    std::uint32_t next(std::uint32_t bucket) const { return bucket + 1 == buckets_ ? 0 : bucket + 1; }

    std::uint64_t buckets_;
    base::ZeroedArray<std::atomic<std::uint64_t>> tags_;     ///< a word for each bucket
    base::ZeroedArray<std::atomic<std::uint32_t>> numbers_;  ///< by place
    std::uint32_t displaced_ = 0;
};

}  // namespace yagura::reset
