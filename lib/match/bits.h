// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>

namespace yagura::match {

/// A set of bits in memory that others keep.
class Bits {
  public:
    explicit Bits(std::uint64_t* words) : words_(words) {}
    bool test(std::uint32_t bit) const { return (words_[bit / 64] >> bit % 64 & 1) != 0; }
    void set(std::uint32_t bit) { words_[bit / 64] |= std::uint64_t{1} << bit % 64; }
    void clear(std::uint32_t first, std::uint32_t count) {
        for (std::uint32_t i = first; i < first + count; ++i) words_[i / 64] &= ~(std::uint64_t{1} << i % 64);
    }
    bool all(std::uint32_t first, std::uint32_t count) const {
        for (std::uint32_t i = first; i < first + count; ++i) {
            if (!test(i)) return false;
        }
        return true;
    }

  private:
    std::uint64_t* words_;
};

}  // namespace yagura::match
