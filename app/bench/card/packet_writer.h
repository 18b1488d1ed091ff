// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "app/bench/card/traffic_plan.h"
#include "app/bench/frame_set.h"
#include "rules/config.h"

struct rte_mbuf;

namespace yagura::bench {

/// Packets that were written.
struct WrittenPackets {
    std::uint64_t all = 0;
    std::array<std::uint64_t, kWrappings> wrapped{};  ///< by Wrapping; of a capture it is not known
    std::uint64_t fragments = 0;
};

/// Packets without end, written into mbufs: one after the other, as a driver would leave them. Each has its
/// own place; what they make of the same plan is the same.
class PacketWriter {
  public:
    virtual ~PacketWriter() = default;
    /// Writes the next packets.
    virtual void fill(std::span<rte_mbuf* const> packets) = 0;
    /// Packets to be played before the traffic is as it will always be: some of each flow that there is. The
    /// same fill() gives them.
    virtual std::uint64_t opening() const = 0;
    /// Flows that begin, per packet.
    virtual double fresh() const = 0;
    const WrittenPackets& written() const { return written_; }

  protected:
    WrittenPackets written_;
};

/// `flows` at the same time, which speak in turn. With `ends` each has so many packets, then another takes
/// its place; else they go on for ever.
std::unique_ptr<PacketWriter> make_writer(std::shared_ptr<const TrafficPlan> plan, std::uint32_t flows,
                                          bool ends);

/// Frames of a capture, which can be written to where they tell flows apart.
struct CapturePlan {
    std::vector<FlowFrame> frames;
    std::vector<net::FlowKey> keys;  ///< of each frame, ip_version 0 without a flow
    std::vector<std::uint32_t> wire_lengths;
    std::uint32_t flows = 0;
    std::size_t left_out_large = 0;  ///< larger than one mbuf
    std::size_t left_out_fragments = 0;
    std::uint64_t lap_ns = 0;  ///< beyond every timeout

    static base::Result<std::shared_ptr<const CapturePlan>> create(const RawFrames& raw,
                                                                   const rules::FlowTimeouts& timeouts);
};

/// Round and round. With `ends` each lap's flows are new: the client's address has other low 16 bits.
std::unique_ptr<PacketWriter> make_writer(std::shared_ptr<const CapturePlan> plan, bool ends);

}  // namespace yagura::bench
