// SPDX-License-Identifier: BSD-3-Clause
#include "app/bench/card/packet_circle.h"

#include <fmt/format.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>

#include <cerrno>

#include "port/packet.h"
#include "port/packet_pool.h"

namespace yagura::bench {
namespace {

constexpr const char* kOps = "yagura_circle";

/// What stands for the pool's list: filled when the pool is, then left alone.
struct Shelf {
    std::vector<void*> objects;
    bool open = true;
};

Shelf& shelf(const rte_mempool* pool) {
    return *static_cast<Shelf*>(pool->pool_data);
}

int allocate(rte_mempool* pool) {
    pool->pool_data = new Shelf;
    shelf(pool).objects.reserve(pool->size);
    return 0;
}
void release(rte_mempool* pool) {
    delete static_cast<Shelf*>(pool->pool_data);
}
int enqueue(rte_mempool* pool, void* const* objects, unsigned n) {
    Shelf& to = shelf(pool);
    if (to.open) to.objects.insert(to.objects.end(), objects, objects + n);
    return 0;
}
int dequeue(rte_mempool*, void**, unsigned) {
    return -ENOBUFS;
}
unsigned count(const rte_mempool* pool) {
    return static_cast<unsigned>(shelf(pool).objects.size());
}

bool register_once() {
    static const int registered = [] {
        rte_mempool_ops ops{};
        fmt::format_to_n(ops.name, sizeof ops.name - 1, "{}", kOps);
        ops.alloc = allocate;
        ops.free = release;
        ops.enqueue = enqueue;
        ops.dequeue = dequeue;
        ops.get_count = count;
        return rte_mempool_register_ops(&ops);
    }();
    return registered >= 0;
}

}  // namespace

base::Result<std::unique_ptr<PacketCircle>> PacketCircle::create(unsigned count) {
    static unsigned number = 0;
    if (!register_once()) return base::Error{"DPDK has no room for another kind of packet pool"};
    rte_mempool* pool = rte_pktmbuf_pool_create_by_ops(
        fmt::format("circle{}", number++).c_str(), count, 0, port::kMetaSize,
        port::kMbufDataSize + RTE_PKTMBUF_HEADROOM, static_cast<int>(rte_socket_id()), kOps);
    if (pool == nullptr) {
        return base::Error{fmt::format("no memory for {} packets: {}", count, rte_strerror(rte_errno))};
    }
    std::unique_ptr<PacketCircle> circle(new PacketCircle(pool));
    Shelf& all = shelf(pool);
    all.open = false;
    for (void* object : all.objects) circle->packets_.push_back(static_cast<rte_mbuf*>(object));
    return circle;
}

PacketCircle::~PacketCircle() {
    rte_mempool_free(pool_);
}

}  // namespace yagura::bench
