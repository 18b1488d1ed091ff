// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/zeroed_array.h"
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

    std::uint32_t capacity() const { return capacity_; }
    std::uint32_t used() const { return used_; }
    const CompiledRules& rules() const { return *rules_; }

  private:
    friend class CompiledRules;
    struct Slot;
    Slot& slot(StateIndex state);

    std::shared_ptr<const CompiledRules> rules_;
    std::size_t stride_;
    std::size_t condition_words_;
    std::uint32_t capacity_ = 0;
    std::uint32_t used_ = 0;
    std::uint32_t touched_ = 0;     ///< places below have been used before
    StateIndex free_head_ = kNone;  ///< the place given back last
    base::ZeroedArray<std::uint8_t> memory_;
};

}  // namespace yagura::match
