// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "app/bench/conversations.h"
#include "app/bench/frame_set.h"
#include "app/bench/measure.h"
#include "dataplane/select_stage.h"
#include "match/bare_streams.h"

namespace yagura::bench {

/// Conversations as TCP packets that have been received and parsed. Played in a circle: with each lap the
/// sequence numbers go on. Rigs take turns with its packets.
class Tape {
  public:
    static constexpr unsigned kBurst = 32;
    static base::Result<std::unique_ptr<Tape>> create(const Conversations& conversations);
    /// Packets that a tape of these conversations takes, for memory_for().
    static std::size_t mbufs(const Conversations& conversations) {
        return conversations.segments.size() + 1024;
    }

    struct Packet {
        rte_mbuf* packet;
        base::Bytes frame;
        base::Bytes payload;
        std::uint32_t direction;
        std::uint32_t seq;  ///< in the first lap
        std::uint32_t ack;
        std::uint32_t lap_seq;  ///< by how much they grow with each lap
        std::uint32_t lap_ack;
        std::uint8_t* ip;
        std::uint8_t* tcp;
    };
    const std::vector<Packet>& packets() const { return packets_; }
    std::uint32_t directions() const { return directions_; }
    /// Of a lap.
    std::uint64_t bytes() const { return bytes_; }

    /// Where somebody is on the tape.
    struct Place {
        std::size_t next = 0;
        std::uint32_t lap = 0;
    };
    /// The next packets, at most `most` and kBurst, and none of the next lap; moves on.
    std::span<const Packet> advance(Place& place, std::size_t most) const;

  private:
    Tape() = default;
    std::unique_ptr<FrameSet> frames_;
    std::vector<Packet> packets_;
    std::uint32_t directions_ = 0;
    std::uint64_t bytes_ = 0;
};

/// What a session does when the tape begins again.
enum class AtLap : std::uint8_t {
    kGoesOn,  ///< it is one endless session: its hold has long been full
    kIsNew,   ///< it has timed out, and another begins; every packet of it is held
    /// It has timed out, and others begin between other addresses and ports; what is held of a session is
    /// limited as by default. The only one for traffic in which something is found.
    kIsAnother,
};

/// The select stage between its rings, and the bare scan, of the same tape with the same patterns.
class PayloadRig {
  public:
    /// `pool`: for held packets that are released; outlives the rig. Null when nothing is found.
    static base::Result<std::unique_ptr<PayloadRig>> create(
        const Tape& tape, const std::shared_ptr<const select::PolicySnapshot>& policy, AtLap at_lap,
        rte_mempool* pool = nullptr);

    /// The select stage and the bare scan. Each has one part, the time without what the rig itself does: the
    /// packets are brought towards the caches and put on the ring before the clock runs.
    Group group();

    /// All that was put in was scanned, once, and found nothing; of kIsAnother, nothing was scanned twice and
    /// nothing was lost. Else the figures mean nothing.
    base::Result<void> check();
    /// Of the bytes that were put in.
    double scanned_share() const;
    /// Of one direction's stream.
    std::size_t stream_bytes() const { return bare_.stream_bytes(); }

  private:
    PayloadRig(const Tape& tape, const std::shared_ptr<const select::PolicySnapshot>& policy, AtLap at_lap,
               rte_mempool* pool, std::unique_ptr<dataplane::PacketRing> input,
               std::unique_ptr<dataplane::PacketRing> output);
    void drain();
    void run_select(std::size_t items, std::span<std::uint64_t> parts);
    void run_bare(std::size_t items, std::span<std::uint64_t> parts);
    void put(std::span<const Tape::Packet> burst, std::uint32_t lap);

    const Tape& tape_;
    AtLap at_lap_;
    std::unique_ptr<dataplane::PacketRing> input_;
    std::unique_ptr<dataplane::PacketRing> output_;
    flow::BlockStore store_;
    select::Selector selector_;
    dataplane::SelectStage select_;
    match::BareStreams bare_;
    Tape::Place select_place_;
    Tape::Place bare_place_;
    std::uint64_t put_bytes_ = 0;
    std::uint64_t lost_ = 0;
};

}  // namespace yagura::bench
