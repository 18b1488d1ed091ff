// SPDX-License-Identifier: BSD-3-Clause
#include "reset/encapsulation_table.h"

#include <bit>
#include <cstring>

#include "base/hash.h"

namespace yagura::reset {

EncapsulationTable::EncapsulationTable(std::uint32_t capacity, std::uint64_t seed)
    : capacity_(capacity),
      seed_(seed),
      buckets_(std::bit_ceil(std::size_t{capacity})),
      entries_(std::size_t{capacity} + 1) {}

std::uint32_t EncapsulationTable::hash_of(const Encapsulation& encapsulation) const {
    base::Bytes rest = encapsulation.bytes();
    std::uint64_t hash = base::mix(seed_ ^ rest.size(), base::kHashA);
    while (!rest.empty()) {
        std::uint64_t word = 0;
        const std::size_t size = std::min(rest.size(), sizeof word);
        std::memcpy(&word, rest.data(), size);
        hash = base::mix(hash ^ word, base::kHashB ^ seed_);
        rest = rest.subspan(size);
    }
    return static_cast<std::uint32_t>(hash >> 32);
}

std::uint32_t EncapsulationTable::share(const Encapsulation& encapsulation) {
    const std::uint32_t hash = hash_of(encapsulation);
    std::uint32_t& first = buckets_[hash & (buckets_.size() - 1)];
    for (std::uint32_t number = first; number != kNone; number = entries_[number].next) {
        Entry& entry = entries_[number];
        if (entry.hash != hash || entry.encapsulation != encapsulation) continue;
        ++entry.users;
        return number;
    }
    if (size_ == capacity_) return kNone;
    std::uint32_t number = free_;
    if (number != kNone) {
        free_ = entries_[number].next;
    } else {
        number = fresh_++;
    }
    entries_[number] = {.users = 1, .next = first, .hash = hash, .encapsulation = encapsulation};
    first = number;
    ++size_;
    return number;
}

void EncapsulationTable::release(std::uint32_t number) {
    if (number == kNone || --entries_[number].users != 0) return;
    std::uint32_t* link = &buckets_[entries_[number].hash & (buckets_.size() - 1)];
    while (*link != number) link = &entries_[*link].next;
    *link = entries_[number].next;
    entries_[number].next = free_;
    free_ = number;
    --size_;
}

}  // namespace yagura::reset
