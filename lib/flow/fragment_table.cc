// SPDX-License-Identifier: BSD-3-Clause
#include "flow/fragment_table.h"

#include <algorithm>
#include <bit>

#include "base/hash.h"
#include "net/protocol_numbers.h"
#include "port/packet.h"

namespace yagura::flow {
namespace {

bool has_ports(std::uint8_t proto) {
    using namespace net::ip_proto;
    return proto == kTcp || proto == kUdp || proto == kSctp || proto == kDccp || proto == kUdpLite;
}

}  // namespace

void FragmentTable::List::push(rte_mbuf* packet) {
    port::meta(packet).next_waiting = nullptr;
    if (tail == nullptr) {
        head = packet;
    } else {
        port::meta(tail).next_waiting = packet;
    }
    tail = packet;
}

rte_mbuf* FragmentTable::List::pop() {
    rte_mbuf* packet = head;
    if (packet == nullptr) return nullptr;
    head = port::meta(packet).next_waiting;
    if (head == nullptr) tail = nullptr;
    return packet;
}

void FragmentTable::List::append(List& other) {
    if (other.empty()) return;
    if (tail == nullptr) {
        head = other.head;
    } else {
        port::meta(tail).next_waiting = other.head;
    }
    tail = other.tail;
    other = {};
}

FragmentTable::FragmentTable(const FragmentLimits& limits, std::size_t ports, const net::HashSeed& seed)
    : limits_(limits),
      seed_(seed),
      datagrams_(std::max<std::uint32_t>(limits.datagrams, 1)),
      buckets_(std::bit_ceil(std::size_t{std::max<std::uint32_t>(limits.datagrams, 1)}), kNone),
      parked_(ports),
      released_(ports) {}

bool FragmentTable::concerns(const net::ParsedPacket& parsed) {
    if (!parsed.is_fragment || !parsed.has_flow()) return false;
    // An IPv6 fragment's next header may be another extension header; only the first fragment knows the
    // transport.
    return has_ports(parsed.key.proto) || parsed.key.ip_version == 6;
}

net::FlowKey FragmentTable::identity(const net::FlowKey& key) {
    net::FlowKey id = key;
    id.sport = id.dport = 0;
    // RFC 8200, 4.5: source, destination and identification; the next header of the fragments may differ.
    if (id.ip_version == 6) id.proto = 0;
    return id;
}

std::size_t FragmentTable::bucket_of(const net::FlowKey& id_key, std::uint32_t id) const {
    const std::uint64_t hash = base::mix(id_key.symmetric_hash(seed_) ^ base::kHashC, id ^ base::kHashD);
    return hash & (buckets_.size() - 1);
}

void FragmentTable::release(Datagram& datagram, List& ready) {
    for (rte_mbuf* p = datagram.waiting.head; p != nullptr; p = port::meta(p).next_waiting) {
        waiting_mbufs_ -= p->nb_segs;
        --waiting_packets_;
        released_[port::meta(p).port.index()].add(1, p->pkt_len);
        if (datagram.known) {
            port::meta(p).parsed.key = datagram.key;
        } else {
            unmatched_.add(1);
        }
    }
    ready.append(datagram.waiting);
}

void FragmentTable::retire(std::uint32_t index, List& ready) {
    Datagram& datagram = datagrams_[index];
    release(datagram, ready);
    const net::FlowKey id_key = identity(datagram.key);
    std::uint32_t* link = &buckets_[bucket_of(id_key, datagram.id)];
    while (*link != index) link = &datagrams_[*link].bucket_next;
    *link = datagram.bucket_next;
    datagram.used = false;
    oldest_ = (index + 1) % static_cast<std::uint32_t>(datagrams_.size());
    --count_;
}

void FragmentTable::update_deadline() {
    oldest_deadline_ = count_ == 0 ? ~std::uint64_t{0} : datagrams_[oldest_].deadline;
}

void FragmentTable::expire_slow(std::uint64_t now, List& ready) {
    while (count_ > 0 && datagrams_[oldest_].deadline <= now) retire(oldest_, ready);
    update_deadline();
}

void FragmentTable::flush(List& ready) {
    while (count_ > 0) retire(oldest_, ready);
    update_deadline();
}

FragmentTable::Datagram& FragmentTable::find_or_make(const net::FlowKey& id_key, std::uint32_t id,
                                                     std::uint64_t now, List& ready) {
    std::uint32_t& bucket = buckets_[bucket_of(id_key, id)];
    for (std::uint32_t i = bucket; i != kNone; i = datagrams_[i].bucket_next) {
        if (datagrams_[i].id == id && identity(datagrams_[i].key) == id_key) return datagrams_[i];
    }
    if (count_ == datagrams_.size()) retire(oldest_, ready);
    Datagram& made = datagrams_[next_];
    made = {
        .key = id_key, .id = id, .bucket_next = bucket, .deadline = now + limits_.timeout_ns, .used = true};
    bucket = next_;
    if (count_++ == 0) oldest_ = next_;
    next_ = (next_ + 1) % static_cast<std::uint32_t>(datagrams_.size());
    update_deadline();
    return made;
}

void FragmentTable::take(rte_mbuf* packet, List& ready) {
    port::PacketMeta& m = port::meta(packet);
    Datagram& datagram = find_or_make(identity(m.parsed.key), m.parsed.fragment_id, m.order_time, ready);
    if (m.parsed.first_fragment) {
        datagram.key = m.parsed.key;
        datagram.known = true;
        ready.push(packet);
        release(datagram, ready);
        return;
    }
    if (datagram.known) {
        m.parsed.key = datagram.key;
        ready.push(packet);
        return;
    }
    if (packet->nb_segs > limits_.waiting) {
        unmatched_.add(1);
        ready.push(packet);
        return;
    }
    parked_[m.port.index()].add(1, packet->pkt_len);
    datagram.waiting.push(packet);
    waiting_mbufs_ += packet->nb_segs;
    ++waiting_packets_;
    while (waiting_mbufs_ > limits_.waiting) retire(oldest_, ready);
    update_deadline();
}

}  // namespace yagura::flow
