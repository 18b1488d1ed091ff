// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <rte_mempool.h>

#include <memory>
#include <span>
#include <vector>

#include "base/result.h"

struct rte_mbuf;

namespace yagura::bench {

/// Packets that are freed as any other, by whoever has them last, and yet stay where they are: their pool
/// keeps no list. So a source may hand them out again in its own order, with what it has written into them.
/// The price of freeing is that of a pool with a cache, give or take a few cycles a burst. A packet must have
/// ended before its turn comes again. Control thread; after EAL's start.
class PacketCircle {
  public:
    static base::Result<std::unique_ptr<PacketCircle>> create(unsigned count);
    ~PacketCircle();
    PacketCircle(const PacketCircle&) = delete;
    PacketCircle& operator=(const PacketCircle&) = delete;

    std::span<rte_mbuf* const> packets() const { return packets_; }

  private:
    explicit PacketCircle(rte_mempool* pool) : pool_(pool) {}
    rte_mempool* pool_;
    std::vector<rte_mbuf*> packets_;
};

}  // namespace yagura::bench
