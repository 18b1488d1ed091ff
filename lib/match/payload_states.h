// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/zeroed_array.h"
#include "match/bits.h"
#include "match/compiled_rules.h"

namespace yagura::match {

/// What is known of the payload of the inspected flows of one thread: which patterns have hit, and the
/// streams of both directions. Bounded; memory is taken from the kernel when a place is first used, nothing
/// is allocated later. Belongs to the rules that it was made for, and keeps them alive.
class PayloadStates {
  public:
    static constexpr StateIndex kNone = 0xffffffff;

    /// As many places as `budget` bytes hold: budget / rules->state_bytes(), none when that is 0. Throws
    /// std::bad_alloc.
    PayloadStates(std::shared_ptr<const CompiledRules> rules, std::uint64_t budget);

    /// A place for a flow of which nothing is known yet; kNone when all are taken.
    [[nodiscard]] StateIndex acquire();
    /// Gives a place back. O(1).
    void release(StateIndex state);

    /// Brings the begin of a place and the stream of this direction towards the cache.
    void prefetch(StateIndex state, unsigned direction) {
        constexpr std::size_t kMost = 256;  ///< of a stream: what every scan reads and writes stands first
        Slot& place = slot(state);
        __builtin_prefetch(&place, 1);
        const auto* const memory = static_cast<const std::uint8_t*>(stream(place, direction));
        for (std::size_t i = 0; i < std::min(stream_bytes_, kMost); i += 64)
            __builtin_prefetch(memory + i, 1);
    }

    std::uint32_t capacity() const { return capacity_; }
    std::uint32_t used() const { return used_; }
    const CompiledRules& rules() const { return *rules_; }

  private:
    friend class CompiledRules;
    /// What a place begins with. The set of bits follows, then the streams of direction 0 and of direction 1.
    struct Slot {
        std::array<std::uint64_t, 2> origin;  ///< where in the direction its stream began, or began afresh
        StateIndex next_free;
        struct Direction {
            bool made : 1;  ///< the stream's memory holds a stream, of this flow or one before
            bool open : 1;  ///< it has seen bytes
            bool gap : 1;   ///< bytes were lost
        };
        std::array<Direction, 2> directions;
        bool used;
    };
    Slot& slot(StateIndex state) {
        return *reinterpret_cast<Slot*>(memory_.data() + std::size_t{state} * stride_);
    }
    std::uint64_t* words(Slot& slot) const { return reinterpret_cast<std::uint64_t*>(&slot + 1); }
    Bits bits(Slot& slot) const { return Bits(words(slot)); }
    void* stream(Slot& slot, unsigned direction) const {
        return words(slot) + words_ + direction * stream_bytes_ / sizeof(std::uint64_t);
    }

    std::shared_ptr<const CompiledRules> rules_;
    std::size_t stride_;        ///< bytes of a place
    std::size_t words_;         ///< of the set of bits
    std::size_t stream_bytes_;  ///< of one direction
    std::uint32_t capacity_ = 0;
    std::uint32_t used_ = 0;
    std::uint32_t touched_ = 0;     ///< places below have been used before
    StateIndex free_head_ = kNone;  ///< the place given back last
    base::ZeroedArray<std::uint8_t> memory_;
};

}  // namespace yagura::match
