// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <rte_mempool.h>

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"

struct rte_mbuf;

namespace yagura::port {

/// Payload bytes of one mbuf; larger frames are chained.
inline constexpr std::uint16_t kMbufDataSize = 2048;

/// What each lcore that frees packets may keep of a pool for itself; a pool must be larger than that of all
/// its lcores together.
inline constexpr std::uint32_t kPoolCache = 256;
inline constexpr std::uint32_t kPoolCachePerLcore = kPoolCache * 3 / 2;
/// EAL memory that a pool of so many packets takes, with some to spare, in MiB: without hugepages each
/// packet has a page of 4 KiB.
constexpr unsigned pool_memory_mib(std::uint32_t packets) {
    return 64 + packets / 240;
}

/// A pool of mbufs with room for PacketMeta. Made and destroyed by the control thread.
class PacketPool {
  public:
    /// `count` mbufs. The name must be unique in the process.
    static base::Result<std::unique_ptr<PacketPool>> create(const std::string& name, std::uint32_t count);
    ~PacketPool();
    PacketPool(const PacketPool&) = delete;
    PacketPool& operator=(const PacketPool&) = delete;

    rte_mempool* get() const { return pool_; }
    std::uint32_t size() const;
    std::uint32_t available() const;  ///< exact when no thread works on it
    bool whole() const { return available() == size(); }

    /// A packet of `size` bytes copied from `data`, chained when it is large. Null when the pool is empty
    /// (nothing is kept).
    static rte_mbuf* make_packet(rte_mempool* pool, const void* data, std::uint32_t size);

  private:
    explicit PacketPool(rte_mempool* pool) : pool_(pool) {}
    rte_mempool* pool_;
};

}  // namespace yagura::port
