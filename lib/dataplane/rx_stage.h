// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <span>
#include <vector>

#include "base/counter.h"
#include "dataplane/stage.h"
#include "flow/fragment_table.h"
#include "net/flow_identity.h"
#include "net/parser.h"
#include "port/driver.h"
#include "port/packet.h"

namespace yagura::dataplane {

/// Polls one receive queue, parses each packet once, gives later fragments the ports of their flow, and
/// steers every packet by its symmetric flow hash to the select lcore of its flow.
class RxStage : public Stage {
  public:
    struct Options {
        port::RxQueue* queue;
        net::LinkType link_type;
        std::vector<PacketRing*> outputs;  ///< one per select lcore
        std::size_t ports;                 ///< packets carry their PortId, which is below
        unsigned burst;
        Pressure pressure;
        std::uint64_t hash_seed;
        net::FlowIdentity flow_identity;
        flow::FragmentLimits fragments;
    };
    explicit RxStage(Options options);

    unsigned turn() override;

    /// The queue is polled no more, once what it holds by now has been taken; what waits is handed over. Any
    /// thread.
    void stop_polling() { stopping_.store(true, std::memory_order_relaxed); }
    /// Nothing will come out any more: the queue is exhausted (or polling was stopped) and nothing waits. Any
    /// thread.
    bool done() const { return done_.load(std::memory_order_acquire); }

    struct PortCounters {
        base::PacketCounter received;
        base::PacketCounter handed;   ///< put on a ring to select
        base::PacketCounter dropped;  ///< select_ring_full
    };
    const PortCounters& counters(base::PortId port) const { return counters_[port.index()]; }
    const flow::FragmentTable& fragments() const { return fragments_; }

  private:
    /// What a burst comes to, if all of it came by one port.
    struct Sum {
        base::PortId port;
        bool one_port = true;
        bool fragments = false;  ///< there are some among it
        std::uint64_t bytes = 0;
    };
    using PacketCounterOf = base::PacketCounter PortCounters::*;

    static constexpr unsigned kLastPolls = 128;

    bool may_poll_once_more();
    bool outputs_have_room() const;
    Sum parse(std::span<rte_mbuf* const> burst);
    void set_domains(std::span<rte_mbuf* const> burst);
    void count(PacketCounterOf which, std::span<rte_mbuf* const> packets, const Sum& sum);
    void steer(std::span<rte_mbuf* const> burst, const Sum& sum);
    void steer_past_fragments(std::span<rte_mbuf* const> burst);
    void steer_ready();
    void append(rte_mbuf* packet);
    void hand_over(std::size_t output);
    void put(std::size_t output, std::span<rte_mbuf* const> packets);

    Options options_;
    net::HashSeed hash_seed_;
    flow::FragmentTable fragments_;
    flow::FragmentTable::List ready_;
    std::unique_ptr<port::FrameBuffer> buffer_;
    std::vector<PortCounters> counters_;
    /// Packets of this turn by output. A turn may release fragments beyond its burst: they are handed over as
    /// a list fills.
    struct Outgoing {
        std::array<rte_mbuf*, kMaxBurst> packets;
        unsigned count = 0;
    };
    std::vector<Outgoing> outgoing_;
    unsigned last_polls_ = kLastPolls;  ///< that are left when it is stopping
    std::atomic<bool> stopping_{false};
    std::atomic<bool> done_{false};
};

}  // namespace yagura::dataplane
