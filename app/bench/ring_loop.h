// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <memory>
#include <string>

#include "app/bench/packet_store.h"
#include "base/result.h"

struct rte_ring;

namespace yagura::bench {

/// Two net_ring devices around one ring, with all packets of a store on it: what is sent by the one is
/// received by the other, without a copy.
class RingLoop {
  public:
    static constexpr const char* kNetworkDevice = "net_ring_bench_network";
    static constexpr const char* kToolDevice = "net_ring_bench_tool";

    /// Once in a process, after EAL's start. The store must outlive it.
    static base::Result<std::unique_ptr<RingLoop>> create(PacketStore& store);
    /// When both devices are closed: frees the packets that are on the ring.
    ~RingLoop();
    RingLoop(const RingLoop&) = delete;
    RingLoop& operator=(const RingLoop&) = delete;

    /// EAL's memory for the rings, in MiB.
    static unsigned memory_mib(std::size_t packets);

  private:
    RingLoop() = default;
    rte_ring* loop_ = nullptr;
    rte_ring* unused_ = nullptr;  ///< what each device has in the direction that nobody uses
};

}  // namespace yagura::bench
