// SPDX-License-Identifier: BSD-3-Clause
#include "flow/fragment_table.h"

#include <catch2/catch.hpp>
#include <memory>

#include "net/packet_builder.h"
#include "port/packet.h"
#include "port/packet_pool.h"

using namespace yagura;
using flow::FragmentTable;

namespace {

const yagura::net::HashSeed kSeed(1);

constexpr std::uint64_t kSecond = 1'000'000'000;

class Fragments {
  public:
    /// A fragment of a UDP datagram 10.0.0.1:1000 -> 10.0.0.2:2000. Offset 0 carries the ports.
    rte_mbuf* udp(std::uint16_t id, std::uint16_t offset, std::uint64_t time = 0) {
        net::PacketBuilder b;
        b.ethernet().ipv4("10.0.0.1", "10.0.0.2").fragment(offset, true, id);
        if (offset == 0) {
            b.udp(1000, 2000).payload("12345678");
        } else {
            b.next(17).payload("12345678");
        }
        return packet(b.build(), time);
    }
    rte_mbuf* udp6(std::uint32_t id, std::uint16_t offset) {
        net::PacketBuilder b;
        b.ethernet().ipv6("2001:db8::1", "2001:db8::2").ipv6_fragment(offset, true, id);
        if (offset == 0) {
            b.udp(1000, 2000).payload("12345678");
        } else {
            b.next(17).payload("12345678");
        }
        return packet(b.build(), 0);
    }
    std::vector<rte_mbuf*> take(rte_mbuf* fragment) {
        FragmentTable::List ready;
        table->take(fragment, ready);
        return drain(ready);
    }
    std::vector<rte_mbuf*> drain(FragmentTable::List& ready) {
        std::vector<rte_mbuf*> packets;
        while (rte_mbuf* p = ready.pop()) packets.push_back(p);
        return packets;
    }
    std::vector<rte_mbuf*> flush() {
        FragmentTable::List ready;
        table->flush(ready);
        return drain(ready);
    }
    std::vector<rte_mbuf*> expire(std::uint64_t now) {
        FragmentTable::List ready;
        table->expire(now, ready);
        return drain(ready);
    }
    static std::uint16_t dport(const rte_mbuf* packet) { return port::meta(packet).parsed.key.dport; }

    std::unique_ptr<port::PacketPool> pool = std::move(port::PacketPool::create("fragments", 255).value());
    std::unique_ptr<FragmentTable> table = std::make_unique<FragmentTable>(flow::FragmentLimits{}, 1, kSeed);

  private:
    rte_mbuf* packet(const std::vector<std::uint8_t>& frame, std::uint64_t time) {
        rte_mbuf* p = port::PacketPool::make_packet(pool->get(), frame.data(),
                                                    static_cast<std::uint32_t>(frame.size()));
        REQUIRE(p != nullptr);
        port::PacketMeta& m = port::meta(p);
        m.order_time = time;
        m.port = base::PortId{0};
        m.parsed = net::parse(frame, frame.size(), net::LinkType::kEthernet);
        REQUIRE(FragmentTable::concerns(m.parsed));
        return p;
    }
};

}  // namespace

TEST_CASE("later fragments get the ports of their first one") {
    Fragments f;
    rte_mbuf* first = f.udp(1, 0);
    rte_mbuf* later = f.udp(1, 8);
    CHECK(f.take(first) == std::vector{first});
    CHECK(f.take(later) == std::vector{later});
    CHECK(Fragments::dport(later) == 2000);
    CHECK(f.table->unmatched() == 0);
}

TEST_CASE("fragments that come before their first one wait, and follow it in their order") {
    Fragments f;
    rte_mbuf* second = f.udp(1, 8);
    rte_mbuf* third = f.udp(1, 16);
    rte_mbuf* other = f.udp(2, 8);
    CHECK(f.take(second).empty());
    CHECK(f.take(other).empty());
    CHECK(f.take(third).empty());
    CHECK(f.table->waiting_packets() == 3);
    CHECK(f.table->waiting(base::PortId{0}).packets == 3);
    rte_mbuf* first = f.udp(1, 0);
    CHECK(f.take(first) == std::vector{first, second, third});
    CHECK(Fragments::dport(second) == 2000);
    CHECK(Fragments::dport(third) == 2000);
    CHECK(f.table->waiting_packets() == 1);
    CHECK(f.flush() == std::vector{other});
    CHECK(Fragments::dport(other) == 0);
    CHECK(f.table->unmatched() == 1);
    CHECK(f.table->waiting(base::PortId{0}) == base::Count{});
}

TEST_CASE("an id that is used again belongs to its new first fragment") {
    Fragments f;
    f.take(f.udp(7, 0));
    rte_mbuf* again = f.udp(7, 0);
    port::meta(again).parsed.key.dport = 3000;
    f.take(again);
    rte_mbuf* later = f.udp(7, 8);
    f.take(later);
    CHECK(Fragments::dport(later) == 3000);
}

TEST_CASE("IPv6 fragments match by source, destination and identification") {
    Fragments f;
    rte_mbuf* later = f.udp6(70000, 8);
    CHECK(f.take(later).empty());
    rte_mbuf* first = f.udp6(70000, 0);
    CHECK(f.take(first) == std::vector{first, later});
    CHECK(Fragments::dport(later) == 2000);
    rte_mbuf* stranger = f.udp6(70000 + (1 << 16), 8);
    CHECK(f.take(stranger).empty());
    f.flush();
}

TEST_CASE("what waits longer than the timeout goes on without ports") {
    Fragments f;
    const std::uint64_t timeout = flow::FragmentLimits{}.timeout_ns;
    rte_mbuf* early = f.udp(1, 8, 5 * kSecond);
    rte_mbuf* late = f.udp(2, 8, 9 * kSecond);
    f.take(early);
    f.take(late);
    CHECK(f.expire(5 * kSecond + timeout - 1).empty());
    CHECK(f.expire(5 * kSecond + timeout) == std::vector{early});
    CHECK(f.expire(9 * kSecond + timeout) == std::vector{late});
    CHECK(f.table->unmatched() == 2);
}

TEST_CASE("when too many datagrams are open the oldest gives way") {
    Fragments f;
    f.table = std::make_unique<FragmentTable>(flow::FragmentLimits{.datagrams = 3}, 1, kSeed);
    rte_mbuf* oldest = f.udp(1, 8);
    f.take(oldest);
    f.take(f.udp(2, 8));
    f.take(f.udp(3, 8));
    CHECK(f.take(f.udp(4, 8)) == std::vector{oldest});
    CHECK(f.table->waiting_packets() == 3);
    CHECK(f.flush().size() == 3);
}

TEST_CASE("when too much waits the oldest goes on") {
    Fragments f;
    f.table = std::make_unique<FragmentTable>(flow::FragmentLimits{.waiting = 2}, 1, kSeed);
    rte_mbuf* oldest = f.udp(1, 8);
    f.take(oldest);
    f.take(f.udp(2, 8));
    CHECK(f.take(f.udp(3, 8)) == std::vector{oldest});
    CHECK(f.table->waiting_packets() == 2);
    f.flush();
}

TEST_CASE("a storm of fragments is held within the bounds, and every packet comes out once") {
    Fragments f;
    f.table = std::make_unique<FragmentTable>(flow::FragmentLimits{.datagrams = 16, .waiting = 32}, 1, kSeed);
    std::size_t out = 0;
    for (unsigned i = 0; i < 10'000; ++i) {
        const auto id = static_cast<std::uint16_t>(i * 2654435761u >> 20);
        const auto offset = static_cast<std::uint16_t>((i * 7919u >> 3) % 4 * 8);
        for (rte_mbuf* p : f.take(f.udp(id, offset, i))) {
            rte_pktmbuf_free(p);
            ++out;
        }
        REQUIRE(f.table->waiting_packets() <= 32);
    }
    for (rte_mbuf* p : f.flush()) {
        rte_pktmbuf_free(p);
        ++out;
    }
    CHECK(out == 10'000);
    CHECK(f.pool->whole());
}

TEST_CASE("fragments in different domains are different datagrams, and keep their domain") {
    Fragments f;
    const auto in_domain = [&](std::uint16_t offset, std::uint16_t domain) {
        rte_mbuf* packet = f.udp(1, offset);
        port::meta(packet).parsed.key.domain[0] = domain;
        return packet;
    };
    rte_mbuf* first = in_domain(0, 5);
    f.take(first);
    rte_mbuf* other = in_domain(8, 6);
    CHECK(f.take(other).empty());
    rte_mbuf* later = in_domain(8, 5);
    CHECK(f.take(later) == std::vector{later});
    CHECK(port::meta(later).parsed.key == port::meta(first).parsed.key);
    CHECK(f.flush() == std::vector{other});
    CHECK(port::meta(other).parsed.key.domain[0] == 6);
}
