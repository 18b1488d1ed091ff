// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <atomic>
#include <cstdint>

namespace yagura::base {

/// A number that one thread writes and any thread reads. Adding costs a plain load, add and store.
class Counter {
  public:
    void add(std::uint64_t n) {
        value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_release);
    }
    std::uint64_t get() const { return value_.load(std::memory_order_acquire); }

  private:
    std::atomic<std::uint64_t> value_{0};
};

/// Packets and their captured bytes, as a value.
struct Count {
    std::uint64_t packets = 0;
    std::uint64_t bytes = 0;

    Count& operator+=(const Count& other) {
        packets += other.packets;
        bytes += other.bytes;
        return *this;
    }
    Count operator-(const Count& other) const { return {packets - other.packets, bytes - other.bytes}; }
    Count operator+(const Count& other) const { return {packets + other.packets, bytes + other.bytes}; }
    bool operator==(const Count&) const = default;
};

/// Packets and their captured bytes, counted by one thread.
class PacketCounter {
  public:
    void add(std::uint64_t packets, std::uint64_t bytes) {
        packets_.add(packets);
        bytes_.add(bytes);
    }
    Count get() const { return {packets_.get(), bytes_.get()}; }

  private:
    Counter packets_;
    Counter bytes_;
};

}  // namespace yagura::base
