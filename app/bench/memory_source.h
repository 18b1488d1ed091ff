// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "app/bench/flow_writer.h"
#include "app/bench/packet_store.h"
#include "base/counter.h"
#include "port/driver.h"

namespace yagura::bench {

/// What a memory source says of itself, besides what the pipeline counts.
struct SourceCounts {
    std::uint64_t laps = 0;
    std::uint64_t payload_bytes = 0;   ///< handed out; of tapes alone
    std::uint64_t writing_cycles = 0;  ///< of giving packets other flows, which is not the pipeline's work
};

/// Packets that lie in a PacketStore, as a network port that has always something. Time stamps and places in
/// order are written as every driver does; nothing else of a packet is touched but where it says so.
class MemorySource : public port::RxQueue {
  public:
    bool can_wait() const override { return true; }
    /// Gives back what was taken from the store and not handed out. When the threads have stopped.
    virtual void close() {}
    SourceCounts counts() const { return {laps_.get(), payload_bytes_.get(), writing_cycles_.get()}; }

  protected:
    /// The driver's part of what changes from packet to packet.
    void stamp(std::span<rte_mbuf* const> burst, std::uint64_t ahead_ns);

    base::Counter laps_;
    base::Counter payload_bytes_;
    base::Counter writing_cycles_;

  private:
    std::uint64_t record_ = 0;
};

/// The packets in the order in which they ended, as they are: the same flows over and over.
class RepeatingSource final : public MemorySource {
  public:
    explicit RepeatingSource(PacketStore& store) : store_(store) {}
    [[nodiscard]] std::uint16_t receive(std::span<rte_mbuf*> burst) override;

  private:
    PacketStore& store_;
};

/// Few packets that stand for many flows: each gets its flow when it is handed out, so that the packets stay
/// in the caches, as they do behind a network card, and only what yagura keeps of the flows grows.
class ManyFlowsSource final : public MemorySource {
  public:
    struct Options {
        std::uint64_t flows;  ///< at the same time
        unsigned chosen;      ///< percent of the flows
        bool fresh;           ///< new flows when each has had kPacketsOfFlow packets
    };
    static constexpr std::uint64_t kPacketsOfFlow = 16;

    /// The frames of the store: Ethernet, IPv4, TCP, no options. First each flow has a packet, in turn; then
    /// they come at random, or, fresh, in turn.
    ManyFlowsSource(PacketStore& store, const Options& options) : store_(store), options_(options) {}
    [[nodiscard]] std::uint16_t receive(std::span<rte_mbuf*> burst) override;

  private:
    net::FlowKey next_flow();

    PacketStore& store_;
    Options options_;
    std::uint64_t number_ = 0;  ///< of the packet
    std::uint64_t random_ = 1;
};

/// A tape of packets that belong together, in its order: each lap begins when all packets of the one before
/// have ended, has flows of its own, and lies hours later, so that all older flows have ended.
class TapeSource final : public MemorySource {
  public:
    TapeSource(PacketStore& store, const RawFrames& raw);
    [[nodiscard]] std::uint16_t receive(std::span<rte_mbuf*> burst) override;
    void close() override;

  private:
    bool begin_lap();

    struct Packet {
        std::optional<FlowPlace> place;
        net::FlowKey key;  ///< in lap 0
        std::uint32_t payload_bytes;
    };
    PacketStore& store_;
    std::vector<Packet> tape_;
    std::size_t next_;
};

}  // namespace yagura::bench
