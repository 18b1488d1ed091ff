// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <limits>
#include <vector>

#include "base/counter.h"
#include "rules/rule.h"

namespace yagura::dataplane {

/// What a tool may be sent, and what may wait for it.
struct ToolLimit {
    std::uint64_t rate = 0;           ///< bits per second, of frames without preamble and FCS; 0: no limit
    std::uint32_t queue_packets = 0;  ///< 0: the tool has no limit, and nothing of this is done for it
    std::uint64_t queue_bytes = std::numeric_limits<std::uint64_t>::max();

    bool limits() const { return queue_packets != 0; }
};

/// What waits for a tool that has a limit, on the rings of all select lcores together, and how much each of
/// these lcores is about to send it. Each lcore (a lane) writes its own lane, the tx lcore what has left; any
/// of them reads all.
class ToolQueue {
  public:
    ToolQueue(const ToolLimit& limit, std::size_t lanes) : limit_(limit), lanes_(lanes) {}

    const ToolLimit& limit() const { return limit_; }
    std::size_t lanes() const { return lanes_.size(); }

    /// Packets that are on the lane's ring now. Its select lcore.
    void put(std::size_t lane, std::uint64_t packets, std::uint64_t bytes) {
        lanes_[lane].put.add(packets, bytes);
    }
    /// Packets that were sent or shed. Tx.
    void gone(std::uint64_t packets, std::uint64_t bytes) { gone_.add(packets, bytes); }

    /// What waits; not less than that, but for what is being put at the time.
    base::Count waiting() const {
        const base::Count gone = gone_.get();
        base::Count put;
        for (const Lane& lane : lanes_) put += lane.put.get();
        // Tx may have sent what a lane is just about to count.
        const auto rest = [](std::uint64_t a, std::uint64_t b) { return a > b ? a - b : 0; };
        return {rest(put.packets, gone.packets), rest(put.bytes, gone.bytes)};
    }

    /// Bytes per second that are expected of flows.
    struct Expected {
        double lasting = 0;  ///< for long
        double now = 0;      ///< for the next moment
    };
    /// What the lane expects of its flows with this priority. Its select lcore.
    void expect(std::size_t lane, std::size_t priority, const Expected& load) {
        Lane& own = lanes_[lane];
        own.lasting[priority].store(load.lasting, std::memory_order_relaxed);
        own.now[priority].store(load.now, std::memory_order_relaxed);
    }
    /// The same of all other lanes.
    Expected expected_of_others(std::size_t lane, std::size_t priority) const {
        Expected sum;
        for (std::size_t other = 0; other < lanes_.size(); ++other) {
            if (other == lane) continue;
            sum.lasting += lanes_[other].lasting[priority].load(std::memory_order_relaxed);
            sum.now += lanes_[other].now[priority].load(std::memory_order_relaxed);
        }
        return sum;
    }

  private:
    using Loads = std::array<std::atomic<double>, rules::kPriorities>;
    struct alignas(64) Lane {
        base::PacketCounter put;
        Loads lasting{};
        Loads now{};
    };
    ToolLimit limit_;
    std::vector<Lane> lanes_;
    alignas(64) base::PacketCounter gone_;
};

}  // namespace yagura::dataplane
