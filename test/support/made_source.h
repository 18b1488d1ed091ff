// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <algorithm>
#include <atomic>
#include <functional>
#include <utility>
#include <vector>

#include "port/driver.h"
#include "port/packet.h"
#include "port/packet_pool.h"

namespace yagura::test {

/// Packets that are made as they are asked for, of which there may be more than memory could hold, and among
/// them others that are known beforehand.
class MadeSource final : public port::RxQueue {
  public:
    /// Makes packet `number` in `frame` and returns its size.
    using Maker = std::function<std::uint32_t(std::uint64_t number, std::uint8_t* frame)>;
    struct Known {
        std::uint64_t before;  ///< the made packet with this number
        std::vector<std::uint8_t> frame;
    };
    /// `count` made packets, and the known ones in their places (those behind the last come last). All by
    /// port 0, `interval_ns` apart. Nothing comes before open().
    MadeSource(Maker maker, std::uint64_t count, std::vector<Known> known, std::uint64_t interval_ns,
               rte_mempool* pool)
        : maker_(std::move(maker)),
          count_(count),
          known_(std::move(known)),
          interval_ns_(interval_ns),
          pool_(pool) {
        std::ranges::stable_sort(known_, {}, &Known::before);
    }

    void open() { open_.store(true, std::memory_order_release); }

    [[nodiscard]] std::uint16_t receive(std::span<rte_mbuf*> burst) override {
        std::uint16_t n = 0;
        if (!open_.load(std::memory_order_acquire)) return 0;
        while (n < burst.size() && !exhausted()) {
            const bool known =
                next_known_ < known_.size() && (known_[next_known_].before <= next_ || next_ == count_);
            const std::uint8_t* bytes = buffer_.data();
            // A packet that found no room is made again: the maker is a function of the number.
            std::uint32_t size = 0;
            if (known) {
                bytes = known_[next_known_].frame.data();
                size = static_cast<std::uint32_t>(known_[next_known_].frame.size());
            } else {
                size = maker_(next_, buffer_.data());
            }
            rte_mbuf* packet = port::PacketPool::make_packet(pool_, bytes, size);
            if (packet == nullptr) break;
            port::PacketMeta& m = port::meta(packet);
            m.order_time = m.timestamp_ns = (record_ + 1) * interval_ns_;
            m.order_record = record_++;
            m.order_file = 0;
            m.port = {};
            m.wire_length = size;
            burst[n++] = packet;
            ++(known ? next_known_ : next_);
        }
        return n;
    }
    bool can_wait() const override { return true; }
    bool exhausted() const override { return next_ == count_ && next_known_ == known_.size(); }

  private:
    Maker maker_;
    std::uint64_t count_;
    std::vector<Known> known_;
    std::uint64_t interval_ns_;
    rte_mempool* pool_;
    std::atomic<bool> open_{false};
    std::uint64_t next_ = 0;
    std::size_t next_known_ = 0;
    std::uint64_t record_ = 0;
    std::array<std::uint8_t, 2048> buffer_{};
};

}  // namespace yagura::test
