// SPDX-License-Identifier: BSD-3-Clause
#include "match/payload_states.h"

#include <algorithm>
#include <cassert>

#include "match/compiled_state.h"

namespace yagura::match {
namespace {

constexpr std::size_t kLine = 64;

std::size_t stream_bytes_of(const PayloadPatterns& patterns) {
    return patterns.streams ? patterns.streams->stream_bytes() : 0;
}

}  // namespace

std::size_t CompiledRules::state_bytes() const {
    const PayloadPatterns& patterns = state_->patterns;
    if (patterns.flow.empty()) return 0;
    const std::size_t bytes = sizeof(PayloadStates::Slot) + patterns.flow.words() * sizeof(std::uint64_t) +
                              2 * stream_bytes_of(patterns);
    return (bytes + kLine - 1) / kLine * kLine;
}

PayloadStates::PayloadStates(std::shared_ptr<const CompiledRules> rules, std::uint64_t budget)
    : rules_(std::move(rules)),
      stride_(rules_->state_bytes()),
      words_(rules_->state_->patterns.flow.words()),
      stream_bytes_(stream_bytes_of(rules_->state_->patterns)) {
    static_assert(sizeof(Slot) == 24 && alignof(Slot) == alignof(std::uint64_t));
    if (stride_ == 0) return;
    capacity_ = static_cast<std::uint32_t>(std::min<std::uint64_t>(budget / stride_, kNone));
    memory_ = base::ZeroedArray<std::uint8_t>(capacity_ * stride_);
}

StateIndex PayloadStates::acquire() {
    if (used_ == capacity_) return kNone;
    StateIndex state = free_head_;
    if (state != kNone) {
        free_head_ = slot(state).next_free;
        std::fill_n(words(slot(state)), words_, std::uint64_t{0});
    } else {
        state = touched_++;
    }
    ++used_;
    slot(state).used = true;
    return state;
}

void PayloadStates::release(StateIndex state) {
    Slot& place = slot(state);
    assert(state < touched_ && place.used);
    place.used = false;
    for (Slot::Direction& direction : place.directions) direction.open = direction.gap = false;
    place.next_free = free_head_;
    free_head_ = state;
    --used_;
}

}  // namespace yagura::match
