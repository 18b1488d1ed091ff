// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "app/bench/card/flow_classes.h"
#include "app/bench/flow_writer.h"

namespace yagura::bench {

/// A frame with places for what tells flows and datagrams apart.
struct FlowFrame {
    std::vector<std::uint8_t> bytes;
    std::optional<FlowPlace> place;  ///< none without a flow
    std::uint16_t seq = 0;           ///< where the sequence number of TCP stands; 0: it has none
    std::uint16_t fragment_id = 0;   ///< of a fragment, likewise

    static FlowFrame of(std::vector<std::uint8_t> bytes);
};

/// What the flows of a class say, packet by packet: of TCP a handshake, request and response in turn (three
/// packets in four are the server's), and both FINs.
class FlowScript {
  public:
    /// `sizes`: of frames, in turn, at least the headers'; what the class is wrapped in comes on top. A flow
    /// has `packets`. `fragmented`: what is said comes in datagrams of two fragments, each of which is one of
    /// the packets.
    FlowScript(const FlowClass& flow_class, std::span<const std::uint32_t> sizes, std::uint32_t packets,
               bool fragmented = false);

    /// Writes the k-th packet of the n-th flow; returns its size.
    std::uint32_t write(std::uint8_t* to, std::uint64_t n, std::uint32_t k) const;
    /// Writes a packet of the middle of the n-th flow, by turns the k-th. It is no fragment.
    std::uint32_t write_middle(std::uint8_t* to, std::uint64_t n, std::uint32_t k) const;
    std::uint32_t packets() const { return static_cast<std::uint32_t>(script_.size()); }
    Wrapping wrapping() const { return flow_class_.wrapping; }
    bool is_fragment(std::uint32_t k) const { return frames_[script_[k].frame].fragment_id != 0; }
    /// The k-th packet is a first fragment: the next one is the rest of the datagram.
    bool is_followed(std::uint32_t k) const { return script_[k].followed; }
    /// Of all packets.
    std::uint32_t fragments() const;

    static constexpr std::uint32_t kLargest = 2048;  ///< of a frame

  private:
    struct Packet {
        std::uint32_t frame;
        std::uint32_t seq;
        std::uint32_t ack;
        std::uint32_t datagram;  ///< of its flow
        bool to_server;
        bool followed;
    };
    struct Saying;
    std::uint32_t write(std::uint8_t* to, std::uint64_t n, const Packet& packet) const;

    FlowClass flow_class_;
    std::vector<FlowFrame> frames_;
    std::vector<Packet> script_;
    std::vector<Packet> middle_;
};

}  // namespace yagura::bench
