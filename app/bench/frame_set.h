// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "net/parser.h"
#include "port/packet_pool.h"

namespace yagura::bench {

struct RawFrame {
    std::vector<std::uint8_t> bytes;
    std::uint32_t wire_length = 0;
};

/// Frames of one link type, by themselves.
struct RawFrames {
    std::string name;
    net::LinkType link_type = net::LinkType::kEthernet;
    std::vector<RawFrame> frames;
};

/// The first `most` frames of a capture file; of a file with several link types those that have the first
/// frame's.
base::Result<RawFrames> read_capture(const std::string& path, std::size_t most);

/// Takes out the frames that do not fit one mbuf; returns how many.
std::size_t leave_out_large(RawFrames& raw);

/// The mbufs that they take.
std::size_t segments_of(const RawFrames& raw);

/// EAL's memory for so many mbufs, in MiB, with room for all else.
unsigned memory_for(std::size_t mbufs);

/// Frames as the receiving stage finds them: in mbufs, each at its own place.
class FrameSet {
  public:
    /// After EAL's start.
    static base::Result<std::unique_ptr<FrameSet>> create(const RawFrames& raw);
    ~FrameSet();
    FrameSet(const FrameSet&) = delete;
    FrameSet& operator=(const FrameSet&) = delete;

    struct Frame {
        rte_mbuf* packet;
        base::Bytes bytes;  ///< in the mbuf; of a chained one a copy, in one piece
        std::uint32_t wire_length;
    };
    const std::vector<Frame>& frames() const { return frames_; }

  private:
    FrameSet() = default;
    std::unique_ptr<port::PacketPool> pool_;
    std::vector<std::vector<std::uint8_t>> copies_;
    std::vector<Frame> frames_;
};

}  // namespace yagura::bench
