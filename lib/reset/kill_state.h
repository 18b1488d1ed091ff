// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "reset/kill_machine.h"

namespace yagura::reset {

/// The last few different numbers.
class Recent {
  public:
    void add(std::uint32_t number) {
        if (holds(number)) return;
        numbers_[next_ % numbers_.size()] = number;
        ++next_;
    }
    bool holds(std::uint32_t number) const {
        const std::size_t count = std::min<std::size_t>(next_, numbers_.size());
        return std::find(numbers_.begin(), numbers_.begin() + count, number) != numbers_.begin() + count;
    }

  private:
    std::array<std::uint32_t, 8> numbers_{};
    std::uint32_t next_ = 0;
};

/// What is known of one end of a connection that is being cut.
struct KillMachine::End {
    Recent acks;                   ///< that it sent: what its peer's kernel would reset it with
    Recent shots;                  ///< RSTs that went to it
    std::uint32_t latest_ack = 0;  ///< of its last segment, whether it goes forward or not
    std::uint32_t anchor = 0;      ///< what it waited for before its numbers jumped
    std::uint32_t pending_seq = 0;
    std::uint32_t pending_ack = 0;
    std::uint32_t step = 0;  ///< payload of its last data segment
    Segment probe;           ///< the last one that went to it
    std::uint64_t last_seen = 0;
    std::uint64_t gone_at = 0;
    bool has_latest_ack = false;
    bool has_anchor = false;
    bool has_pending = false;
    bool was_probed = false;
    bool probe_was_blind = false;  ///< with an acknowledgement at random
    bool is_gone = false;          ///< its own RST was seen
    bool is_dirty = false;         ///< what it waits for has changed
    std::uint8_t frames = 0;       ///< that a segment to it takes; 0: it is not reached
};

/// A connection that is being cut, or was until lately.
struct KillMachine::Kill {
    std::array<End, 2> ends;
    FlowNumbers numbers;
    FrameBudget reactions;
    std::uint64_t cookie = 0;
    std::uint64_t verdict = 0;
    std::uint64_t first_reset = 0;
    std::uint64_t death = 0;
    std::uint64_t ended = 0;
    std::uint32_t index = 0;
    std::uint32_t generation = 0;
    std::uint32_t segments = 0;
    std::uint32_t frames = 0;  ///< more where segments leave by several ports
    std::uint32_t misses = 0;  ///< reactions to an end that moves
    std::uint8_t tries = 0;
    Outcome outcome = Outcome::kRunning;
    Seen seen = Seen::kNothing;
    bool in_use = false;
    bool is_reported = false;
    bool is_listed = false;  ///< in dirty_

    bool has(unsigned end, std::uint8_t bit) const { return numbers.ends[end].has(bit); }
    /// It has sent a SYN and heard nothing.
    bool is_opening(unsigned end) const {
        return has(end, EndNumbers::kSynSent) && !has(end, EndNumbers::kHasAck);
    }
    bool was_shot() const { return first_reset != 0; }
};

}  // namespace yagura::reset
