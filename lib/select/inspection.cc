// SPDX-License-Identifier: BSD-3-Clause
#include "select/inspection.h"

#include <new>

namespace yagura::select {

std::uint32_t Inspections::acquire(std::uint32_t flow) {
    std::uint32_t index = free_;
    if (index != Inspection::kNone) {
        free_ = pool_[index].older;
    } else if (fresh_ < pool_.size()) {
        index = fresh_++;
    } else {
        return Inspection::kNone;
    }
    Inspection& made = *new (&pool_[index]) Inspection;
    made.flow = flow;
    append(lists_[0], index);
    acquired_.add(1);
    return index;
}

void Inspections::release(std::uint32_t index) {
    remove(list_of(pool_[index]), index);
    pool_[index].older = free_;
    free_ = index;
    released_.add(1);
}

void Inspections::set_answered(std::uint32_t index) {
    Inspection& inspection = pool_[index];
    if (inspection.answered) return;
    remove(list_of(inspection), index);
    inspection.answered = true;
    append(list_of(inspection), index);
}

std::uint32_t Inspections::oldest(bool with_state) const {
    constexpr unsigned kLook = 64;
    for (const List& list : lists_) {
        std::uint32_t index = list.oldest;
        if (!with_state) {
            if (index != Inspection::kNone) return index;
            continue;
        }
        for (unsigned i = 0; i < kLook && index != Inspection::kNone; ++i, index = pool_[index].newer) {
            if (pool_[index].state != Inspection::kNone) return index;
        }
    }
    return Inspection::kNone;
}

void Inspections::append(List& list, std::uint32_t index) {
    Inspection& inspection = pool_[index];
    inspection.older = list.newest;
    inspection.newer = Inspection::kNone;
    (list.newest == Inspection::kNone ? list.oldest : pool_[list.newest].newer) = index;
    list.newest = index;
}

void Inspections::remove(List& list, std::uint32_t index) {
    const Inspection& inspection = pool_[index];
    (inspection.older == Inspection::kNone ? list.oldest : pool_[inspection.older].newer) = inspection.newer;
    (inspection.newer == Inspection::kNone ? list.newest : pool_[inspection.newer].older) = inspection.older;
}

}  // namespace yagura::select
