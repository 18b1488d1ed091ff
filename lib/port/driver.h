// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include "base/counter.h"
#include "base/ids.h"
#include "base/result.h"

struct rte_mbuf;

namespace yagura::port {

/// One receive queue of a network port (or a source that stands in for several). Polled by one thread.
class RxQueue {
  public:
    virtual ~RxQueue() = default;

    /// Fills up to burst.size() packets, with the driver's part of their PacketMeta; the caller owns them.
    [[nodiscard]] virtual std::uint16_t receive(std::span<rte_mbuf*> burst) = 0;

    /// Loses nothing by not being polled (memory, a file): rx then waits for room also live, instead of
    /// dropping.
    virtual bool can_wait() const { return false; }

    /// Nothing will ever come again (the end of a file). A live device never says so.
    virtual bool exhausted() const { return false; }

    /// Packets of this port that came cut, in a way that their length does not tell, and that receive()
    /// therefore kept back. Any thread.
    virtual base::Count truncated(base::PortId) const { return {}; }
    /// Packets of this port that the device or the kernel had no room for, where it tells: they never were
    /// packets to yagura. Any thread.
    virtual std::uint64_t missed(base::PortId) const { return 0; }
};

/// Why a tool port's copy of a packet was not sent. docs/counters.md says what each means.
enum class ShedReason : std::uint8_t {
    kRingFull,    ///< the tx lcore did not keep up (live only)
    kToolFull,    ///< the device or the tool behind it took no more
    kWriteError,  ///< a capture file could not be written
    kNoBuffer,    ///< it was held, and there was no buffer to release it in (live only)
    kRate,        ///< the run ended while it waited for the tool's rate (live only)
    kTooLarge,    ///< longer than the device or its interface's MTU allows
    kToolDown,    ///< the link of the tool's device was down
    kFlowShed,    ///< the tool had no room for its flow (live only)
    kCount
};
inline constexpr std::size_t kShedReasons = static_cast<std::size_t>(ShedReason::kCount);

/// One transmit queue of a tool port. Used by one thread.
class TxQueue {
  public:
    virtual ~TxQueue() = default;

    /// Takes the first n packets of the burst and returns n; the caller still owns the rest. A packet may be
    /// shared: it is not written to.
    [[nodiscard]] virtual std::uint16_t send(std::span<rte_mbuf* const> burst) = 0;

    /// Why send() takes less than it is given.
    virtual ShedReason refusal() const { return ShedReason::kToolFull; }

    /// Frames longer than this may not be sendable: too_large() is asked of them, and those of which it is
    /// true are not given to send(). It may change at any time.
    virtual std::uint32_t largest_frame() const { return std::numeric_limits<std::uint32_t>::max(); }
    virtual bool too_large(const rte_mbuf*) const { return true; }

    /// Packets that send() took and that were lost after all, with a disk that failed or a link that went
    /// down. When the thread that sends has stopped; exact after close().
    virtual base::Count lost() const { return {}; }
    /// What they count as.
    virtual ShedReason loss() const { return ShedReason::kWriteError; }

    /// Nobody is there to take anything: the link is down, its interface is gone, nobody is at the socket. As
    /// of the driver's last look. Any thread.
    virtual bool is_down() const { return false; }

    /// Sends what is buffered. Called when the thread is idle.
    virtual void flush() {}

    /// Ends the output: after this nothing is sent. Called once, by the control thread, after the thread has
    /// stopped.
    virtual base::Result<void> close() { return {}; }
};

}  // namespace yagura::port
