// SPDX-License-Identifier: BSD-3-Clause
#include "reset/due_heap.h"

namespace yagura::reset {

void DueHeap::insert(std::uint32_t item, std::uint64_t due) {
    due_[item] = due;
    heap_.push_back(item);
    rise(static_cast<std::uint32_t>(heap_.size() - 1));
}

void DueHeap::change(std::uint32_t item, std::uint64_t due) {
    due_[item] = due;
    rise(places_[item]);
    sink(places_[item]);
}

void DueHeap::remove(std::uint32_t item) {
    const std::uint32_t place = places_[item];
    const std::uint32_t last = heap_.back();
    heap_.pop_back();
    if (last == item) return;
    put(last, place);
    rise(place);
    sink(places_[last]);
}

void DueHeap::rise(std::uint32_t place) {
    const std::uint32_t item = heap_[place];
    while (place > 0) {
        const std::uint32_t above = (place - 1) / 2;
        if (due_[heap_[above]] <= due_[item]) break;
        put(heap_[above], place);
        place = above;
    }
    put(item, place);
}

void DueHeap::sink(std::uint32_t place) {
    const std::uint32_t item = heap_[place];
    const auto count = static_cast<std::uint32_t>(heap_.size());
    for (;;) {
        std::uint32_t below = 2 * place + 1;
        if (below >= count) break;
        if (below + 1 < count && due_[heap_[below + 1]] < due_[heap_[below]]) ++below;
        if (due_[heap_[below]] >= due_[item]) break;
        put(heap_[below], place);
        place = below;
    }
    put(item, place);
}

}  // namespace yagura::reset
