// SPDX-License-Identifier: BSD-3-Clause
#include "drivers/ethdev/rss.h"

#include <rte_ethdev.h>
#include <rte_thash.h>

#include <array>
#include <catch2/catch.hpp>

using namespace yagura::ethdev;

TEST_CASE("under our key both directions of a flow have one hash") {
    const auto key = symmetric_rss_key(40);
    // Source address, destination address, both ports.
    std::array<std::uint32_t, 3> there{0x0a000001, 0xc0a80163, 40000u << 16 | 443};
    std::array<std::uint32_t, 3> back{0xc0a80163, 0x0a000001, 443u << 16 | 40000};
    const std::uint32_t hash = rte_softrss(there.data(), 3, key.data());
    CHECK(hash == rte_softrss(back.data(), 3, key.data()));
    CHECK(hash != 0);
    // Not so under another one.
    auto other = key;
    other[5] ^= 1;
    CHECK(rte_softrss(there.data(), 3, other.data()) != rte_softrss(back.data(), 3, other.data()));
}

TEST_CASE("what a device tells of its hash says whether it is symmetric") {
    const auto key = symmetric_rss_key(52);
    CHECK(rss_of(RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP, key) == Rss::kSymmetric);
    CHECK(rss_of(RTE_ETH_RSS_IP, key) == Rss::kSymmetric);
    CHECK(rss_of(0, key) == Rss::kAsymmetric);
    CHECK(rss_of(RTE_ETH_RSS_IP | RTE_ETH_RSS_L3_SRC_ONLY, key) == Rss::kAsymmetric);
    CHECK(rss_of(RTE_ETH_RSS_IP, {}) == Rss::kAsymmetric);
    CHECK(rss_of(RTE_ETH_RSS_IP, std::vector<std::uint8_t>(40, 0)) == Rss::kAsymmetric);
    auto other = key;
    other[51] ^= 0x80;
    CHECK(rss_of(RTE_ETH_RSS_IP, other) == Rss::kAsymmetric);
}

TEST_CASE("of what a device can hash, addresses and ports are asked for") {
    CHECK(rss_types(0) == 0);
    CHECK(rss_types(RTE_ETH_RSS_ETH | RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_FRAG_IPV4) ==
          (RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_FRAG_IPV4));
}
