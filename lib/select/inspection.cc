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
    made.born = acquired_.get();
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

void Inspections::move(std::uint32_t index, bool answered, bool stateful) {
    Inspection& inspection = pool_[index];
    remove(list_of(inspection), index);
    inspection.answered = answered;
    inspection.stateful = stateful;
    append(list_of(inspection), index);
}

std::uint32_t Inspections::older(const List& a, const List& b) const {
    if (a.oldest == Inspection::kNone) return b.oldest;
    if (b.oldest == Inspection::kNone) return a.oldest;
    return pool_[a.oldest].born < pool_[b.oldest].born ? a.oldest : b.oldest;
}

std::uint32_t Inspections::oldest(bool stateful) const {
    if (stateful) return lists_[1].oldest != Inspection::kNone ? lists_[1].oldest : lists_[3].oldest;
    const std::uint32_t one_sided = oldest_one_sided();
    return one_sided != Inspection::kNone ? one_sided : older(lists_[2], lists_[3]);
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
