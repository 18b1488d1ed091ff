// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "port/driver.h"

struct rte_mempool;

namespace yagura::loop {

/// A frame in memory.
struct Frame {
    std::vector<std::uint8_t> bytes;
    std::uint64_t timestamp_ns = 0;
    std::uint32_t wire_length = 0;  ///< 0: as many as there are bytes
    base::PortId port;

    bool operator==(const Frame&) const = default;
};

/// Packets out of memory: for tests, benchmarks, and a first `yagura run` on a machine without a NIC.
class LoopSource final : public port::RxQueue {
  public:
    static constexpr std::uint64_t kForever = 0;

    /// What packets are stamped with: what their frame says, or when they are received, as by a device.
    enum class Clock { kFrames, kReception };

    /// Gives the frames in their order, `laps` times over. Copies each into a packet of `pool`; when that is
    /// empty the packet comes later.
    LoopSource(std::vector<Frame> frames, std::uint64_t laps, rte_mempool* pool,
               Clock clock = Clock::kFrames);

    [[nodiscard]] std::uint16_t receive(std::span<rte_mbuf*> burst) override;
    bool can_wait() const override { return true; }
    bool exhausted() const override { return frames_.empty() || (laps_ != kForever && lap_ == laps_); }

  private:
    std::vector<Frame> frames_;
    std::uint64_t laps_;
    rte_mempool* pool_;
    Clock clock_;
    std::uint64_t lap_ = 0;
    std::size_t next_ = 0;
    std::uint64_t record_ = 0;
    std::uint64_t order_time_ = 0;
};

/// Takes packets into memory, or counts them and forgets them.
class LoopSink final : public port::TxQueue {
  public:
    enum class Keep { kNothing, kFrames };
    explicit LoopSink(Keep keep = Keep::kNothing) : keep_(keep) {}

    [[nodiscard]] std::uint16_t send(std::span<rte_mbuf* const> burst) override;

    /// From now on takes nothing, as a dead tool does. Any thread.
    void refuse(bool refuse) { refuse_.store(refuse, std::memory_order_relaxed); }
    /// When the thread that sends has stopped.
    const std::vector<Frame>& frames() const { return frames_; }
    std::uint64_t packets() const { return packets_; }

  private:
    Keep keep_;
    std::atomic<bool> refuse_{false};
    std::uint64_t packets_ = 0;
    std::vector<Frame> frames_;
};

/// What "loop:flows=1000,size=64,count=100000" says: TCP packets of so many flows in turn, so many bytes
/// each, and how many (0, the default: without end).
struct LoopDevice {
    std::uint32_t flows = 1000;
    std::uint32_t size = 64;
    std::uint64_t count = 0;
};
/// `text`: what stands after "loop:".
base::Result<LoopDevice> parse_loop_device(std::string_view text);
/// One packet of each flow, alternating directions.
std::vector<Frame> make_frames(const LoopDevice& device, base::PortId port);

}  // namespace yagura::loop
