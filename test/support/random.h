// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace yagura::test {

/// Random numbers that are the same for a seed wherever the tests are built (splitmix64, Steele, Lea and
/// Flood, 2014): the distributions of the standard library are not.
class Random {
  public:
    explicit Random(std::uint64_t seed) : state_(seed) {}

    std::uint64_t word() {
        std::uint64_t z = state_ += 0x9e3779b97f4a7c15;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
        z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
        return z ^ (z >> 31);
    }
    /// From 0 to n - 1; 0 for n == 0.
    std::uint32_t below(std::uint64_t n) {
        return n == 0 ? 0 : static_cast<std::uint32_t>((word() >> 32) * n >> 32);
    }
    /// From `least` to `most`, both included.
    std::uint32_t between(std::uint64_t least, std::uint64_t most) {
        return static_cast<std::uint32_t>(least + below(most - least + 1));
    }
    bool one_in(std::uint32_t n) { return below(n) == 0; }
    template <class T, std::size_t N>
    T any_of(const T (&list)[N]) {
        return list[below(N)];
    }
    template <class T>
    void shuffle(std::vector<T>& list) {
        for (std::size_t i = list.size(); i > 1; --i) std::swap(list[i - 1], list[below(i)]);
    }

  private:
    std::uint64_t state_;
};

}  // namespace yagura::test
