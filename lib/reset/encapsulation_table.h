// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <vector>

#include "base/zeroed_array.h"
#include "reset/encapsulation.h"

namespace yagura::reset {

/// What stands in front of flows, each once, however many flows have it: all between the same stations share
/// one, but for tunnels with a source port for each flow. Bounded. Allocates when it is made; belongs to one
/// thread.
class EncapsulationTable {
  public:
    static constexpr std::uint32_t kNone = 0;

    /// Room for `capacity` that differ. `seed`: secret, for their bytes are chosen by whoever sends.
    EncapsulationTable(std::uint32_t capacity, std::uint64_t seed);

    /// Its number, with one user more. kNone: there is no room for another.
    std::uint32_t share(const Encapsulation& encapsulation);
    /// Another user of one that is in use; of kNone nothing.
    void share(std::uint32_t number) {
        if (number != kNone) ++entries_[number].users;
    }
    /// One user less; with the last it goes. Of kNone nothing.
    void release(std::uint32_t number);

    void take_pages() const noexcept { entries_.take_pages(); }

    const Encapsulation& operator[](std::uint32_t number) const { return entries_[number].encapsulation; }
    std::uint32_t size() const { return size_; }

  private:
    struct Entry {
        std::uint32_t users;
        std::uint32_t next;  ///< of its bucket, or of those that are free
        std::uint32_t hash;
        Encapsulation encapsulation;
    };
    std::uint32_t hash_of(const Encapsulation& encapsulation) const;

    std::uint32_t capacity_;
    std::uint64_t seed_;
    std::vector<std::uint32_t> buckets_;  ///< the first of each; a power of two
    base::ZeroedArray<Entry> entries_;    ///< the first is nobody's
    std::uint32_t free_ = kNone;
    std::uint32_t fresh_ = 1;  ///< from here on no entry was ever used
    std::uint32_t size_ = 0;
};

}  // namespace yagura::reset
