// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/counter.h"
#include "base/ids.h"
#include "net/parser.h"

struct rte_mbuf;

namespace yagura::flow {

struct FragmentLimits {
    std::uint32_t datagrams = 8192;  ///< whose flow is remembered
    std::uint32_t waiting = 1024;    ///< mbufs of fragments that came before their first one
    std::uint64_t timeout_ns =
        30'000'000'000;  ///< RFC 791 lets a reassembly wait for 15 s, RFC 8200 for 60 s
};

/// Gives later fragments the ports that only the first one carries, so that all go the way of their flow. A
/// fragment that comes before the first one waits here, within a budget. Datagrams are not put together and
/// frames are not changed. Owned by one thread.
///
/// Time is that of the packets (PacketMeta::order_time). When a table entry or the budget is needed, the
/// oldest datagram gives way: what waits for it goes on with ports 0, as do fragments whose first one does
/// not come in time.
class FragmentTable {
  public:
    /// `ports`: number of network ports. `seed`: what senders do not know, so that none can choose datagrams
    /// that share a bucket.
    FragmentTable(const FragmentLimits& limits, std::size_t ports, const net::HashSeed& seed);

    /// True when the packet's ports depend on another fragment, or others may depend on it.
    static bool concerns(const net::ParsedPacket& parsed);

    /// A list of packets linked by PacketMeta::next_waiting.
    struct List {
        rte_mbuf* head = nullptr;
        rte_mbuf* tail = nullptr;
        void push(rte_mbuf* packet);
        rte_mbuf* pop();  ///< null when empty
        void append(List& other);
        bool empty() const { return head == nullptr; }
    };

    /// Takes a fragment that concerns() and appends to `ready`, with the ports of their flow filled in, the
    /// packets that can go on now: often the packet itself; nothing when it has to wait.
    void take(rte_mbuf* packet, List& ready);

    /// Appends what has waited too long at time `now`. Cheap when there is nothing.
    void expire(std::uint64_t now_ns, List& ready) {
        if (is_due(now_ns)) expire_slow(now_ns, ready);
    }
    /// At this time something has waited too long.
    bool is_due(std::uint64_t now_ns) const { return oldest_deadline_ <= now_ns; }
    /// Appends everything that waits.
    void flush(List& ready);

    /// Packets that wait. By the owner only.
    std::uint32_t waiting_packets() const { return waiting_packets_; }
    /// What waits of a port's packets. Any thread.
    base::Count waiting(base::PortId port) const {
        const base::Count released = released_[port.index()].get();  // before what it is taken from
        return parked_[port.index()].get() - released;
    }

    /// Fragments that went on without their first one: it did not come in time, or there was no room to wait.
    /// Any thread.
    std::uint64_t unmatched() const { return unmatched_.get(); }

  private:
    static constexpr std::uint32_t kNone = 0xffffffff;
    struct Datagram {
        net::FlowKey key;  ///< with the ports of the first fragment once known
        std::uint32_t id;
        std::uint32_t bucket_next;  ///< chain of the bucket
        std::uint64_t deadline;
        List waiting;
        bool used;
        bool known;  ///< the first fragment was seen
    };

    static net::FlowKey identity(const net::FlowKey& key);
    std::size_t bucket_of(const net::FlowKey& id_key, std::uint32_t id) const;
    Datagram& find_or_make(const net::FlowKey& id_key, std::uint32_t id, std::uint64_t now, List& ready);
    void retire(std::uint32_t index, List& ready);
    void release(Datagram& datagram, List& ready);
    void expire_slow(std::uint64_t now, List& ready);
    void update_deadline();

    FragmentLimits limits_;
    net::HashSeed seed_;
    std::vector<Datagram> datagrams_;  ///< a circle in the order of arrival
    std::vector<std::uint32_t> buckets_;
    std::uint32_t next_ = 0;    ///< where the next datagram goes
    std::uint32_t oldest_ = 0;  ///< first one in use, when count_ > 0
    std::uint32_t count_ = 0;
    std::uint64_t oldest_deadline_ = ~std::uint64_t{0};
    std::uint32_t waiting_mbufs_ = 0;
    std::uint32_t waiting_packets_ = 0;
    std::vector<base::PacketCounter> parked_;    ///< by port: that had to wait
    std::vector<base::PacketCounter> released_;  ///< by port: that wait no more
    base::Counter unmatched_;
};

}  // namespace yagura::flow
