// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <vector>

namespace yagura::reset {

/// Numbers below a capacity, in the order in which they are due. Allocates when it is made. Belongs to one
/// thread.
class DueHeap {
  public:
    explicit DueHeap(std::uint32_t capacity) : due_(capacity), places_(capacity) { heap_.reserve(capacity); }

    bool empty() const { return heap_.empty(); }
    std::uint32_t first() const { return heap_.front(); }               ///< when not empty
    std::uint64_t due(std::uint32_t item) const { return due_[item]; }  ///< of one that is in it

    void insert(std::uint32_t item, std::uint64_t due);
    void change(std::uint32_t item, std::uint64_t due);
    void remove(std::uint32_t item);

  private:
    void rise(std::uint32_t place);
    void sink(std::uint32_t place);
    void put(std::uint32_t item, std::uint32_t place) {
        heap_[place] = item;
        places_[item] = place;
    }

    std::vector<std::uint64_t> due_;
    std::vector<std::uint32_t> places_;
    std::vector<std::uint32_t> heap_;
};

}  // namespace yagura::reset
