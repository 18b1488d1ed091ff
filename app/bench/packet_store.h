// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "app/bench/frame_set.h"
#include "base/result.h"

struct rte_mbuf;
struct rte_mempool;

namespace yagura::bench {

/// Frames in mbufs of a pool that has just as many, and no cache: whoever frees a packet, wherever that may
/// be, puts it at the end of the pool's ring, its bytes untouched, and what is taken next is the packet that
/// ended first. So packets go round without a copy, and each ends as a received one does.
class PacketStore {
  public:
    /// Frames of at most port::kMbufDataSize bytes. `one_thread`: packets are taken and freed on one thread;
    /// else on any, but taken by one. After EAL's start.
    static base::Result<std::unique_ptr<PacketStore>> create(const RawFrames& raw, bool one_thread);
    /// All packets have come back.
    ~PacketStore();
    PacketStore(const PacketStore&) = delete;
    PacketStore& operator=(const PacketStore&) = delete;

    /// EAL's memory for so many packets of at most so many bytes, in MiB.
    static unsigned memory_mib(std::size_t packets, std::size_t largest);

    /// Up to burst.size() packets that have come back; returns how many.
    [[nodiscard]] unsigned take(std::span<rte_mbuf*> burst);
    /// In the order of the frames, wherever they are now.
    const std::vector<rte_mbuf*>& packets() const { return packets_; }
    /// Every packet is here.
    bool whole() const;

  private:
    explicit PacketStore(rte_mempool* pool) : pool_(pool) {}
    rte_mempool* pool_;
    std::vector<rte_mbuf*> packets_;
};

}  // namespace yagura::bench
