// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "app/bench/card/flow_classes.h"
#include "base/bytes.h"

namespace yagura::bench {

/// A frame with places for what tells flows apart.
struct FlowFrame {
    std::vector<std::uint8_t> bytes;
    std::uint16_t src = 0;  ///< where the addresses stand
    std::uint16_t dst = 0;
    std::uint16_t ports = 0;  ///< 0: it has none
    std::uint16_t seq = 0;    ///< of TCP; 0: it has none
    std::uint8_t ip_version = 4;

    /// Of a frame in one piece, whose innermost IP packet it is; nothing to write to without IP.
    static FlowFrame of(std::vector<std::uint8_t> bytes);
    /// Writes the key in the direction of the frame into a copy of it. Checksums stay as they were.
    void write_key(std::uint8_t* copy, const net::FlowKey& key) const;
};

/// What the flows of a class say, packet by packet: of TCP a handshake, request and response in turn (three
/// packets in four are the server's), and both FINs.
class FlowScript {
  public:
    /// `sizes`: of frames, in turn, at least the headers'. A flow has `packets`.
    FlowScript(const FlowClass& flow_class, std::span<const std::uint32_t> sizes, std::uint32_t packets);

    /// Writes the k-th packet of the n-th flow; returns its size.
    std::uint32_t write(std::uint8_t* to, std::uint64_t n, std::uint32_t k) const;
    /// Writes a packet of the middle of the n-th flow, by turns the k-th.
    std::uint32_t write_middle(std::uint8_t* to, std::uint64_t n, std::uint32_t k) const;
    std::uint32_t packets() const { return static_cast<std::uint32_t>(script_.size()); }
    /// Bytes of frames in a flow.
    std::uint64_t bytes() const;

    static constexpr std::uint32_t kLargest = 2048;  ///< of a frame

  private:
    struct Packet {
        std::uint32_t frame;
        std::uint32_t seq;
        std::uint32_t ack;
        bool to_server;
    };
    struct Saying;
    std::uint32_t write(std::uint8_t* to, std::uint64_t n, const Packet& packet) const;

    FlowClass flow_class_;
    std::vector<FlowFrame> frames_;
    std::vector<Packet> script_;
    std::vector<Packet> middle_;
};

}  // namespace yagura::bench
