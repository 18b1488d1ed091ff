// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <algorithm>
#include <cstdint>

namespace yagura::dataplane {

/// Lets through so many bits per second, and no more at once than a burst: over any stretch of t seconds at
/// most rate * t + burst, and one packet where that is larger than the burst. Exact: there is no rounding,
/// and no division per packet. Belongs to one thread.
///
/// The clock is whatever the caller's is, TSC cycles or virtual nanoseconds, at a frequency given once.
/// (rte_meter has the TSC's frequency built in, which a replay's clock is not, and cuts its period to whole
/// cycles, which makes some rates 1 % too high; see README.md.)
///
/// Tokens are counted in units of 1 / hz bit, of which each tick brings as many as the rate has bits per
/// second.
class TokenBucket {
  public:
    static constexpr std::uint64_t kMaxRate = 10'000'000'000'000;        ///< bits per second
    static constexpr std::uint64_t kMaxHz = std::uint64_t{1} << 33;      ///< ticks per second
    static constexpr std::uint32_t kMaxPacket = std::uint32_t{1} << 24;  ///< bytes

    /// `rate`: 1 to kMaxRate. `burst_bytes`: a larger one than 2^57 / hz is cut to that (33 MB at 4.3 GHz,
    /// 144 MB with nanoseconds). `hz`: 1 to kMaxHz. The bucket is full at first.
    TokenBucket(std::uint64_t rate, std::uint64_t burst_bytes, std::uint64_t hz, std::uint64_t now)
        : rate_(rate),
          byte_units_(static_cast<std::int64_t>(8 * hz)),
          capacity_(static_cast<std::int64_t>(std::min(burst_bytes, kMaxUnits / (8 * hz)) * 8 * hz)),
          level_(capacity_),
          last_(now),
          most_ticks_(2 * kMaxUnits / rate),
          disorder_ticks_(hz / 100) {}

    /// Adds what the time has brought; once before the packets of a burst. A step back by less than 10 ms is
    /// taken for disorder and brings nothing until the clock has made it good; a longer one for a clock that
    /// was set: time goes on from there. A step forward fills the bucket at most.
    void refill(std::uint64_t now) {
        if (now < last_) {
            if (last_ - now > disorder_ticks_) last_ = now;
            return;
        }
        const std::uint64_t ticks = std::min(now - last_, most_ticks_);
        last_ = now;
        level_ = std::min(capacity_, level_ + static_cast<std::int64_t>(ticks * rate_));
    }

    /// Takes the tokens of a packet of up to kMaxPacket bytes if they are there. A packet that is larger than
    /// the burst goes when the bucket is full, and is paid off afterwards.
    [[nodiscard]] bool take(std::uint32_t bytes) {
        const std::int64_t units = bytes * byte_units_;
        if (level_ < std::min(units, capacity_)) return false;
        level_ -= units;
        return true;
    }
    /// Of a packet that took them and was not sent after all.
    void give_back(std::uint32_t bytes) { level_ = std::min(capacity_, level_ + bytes * byte_units_); }

  private:
    /// Neither a full bucket nor the largest debt is more, so that the way between the two fits an int64_t.
    static constexpr std::uint64_t kMaxUnits = std::uint64_t{1} << 60;
    static_assert(kMaxPacket * std::uint64_t{8} * kMaxHz <= kMaxUnits);

    std::uint64_t rate_;
    std::int64_t byte_units_;
    std::int64_t capacity_;
    std::int64_t level_;  ///< below zero: what is still to be paid off
    std::uint64_t last_;
    std::uint64_t most_ticks_;  ///< fill the emptiest bucket
    std::uint64_t disorder_ticks_;
};

}  // namespace yagura::dataplane
