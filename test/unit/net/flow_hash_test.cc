// SPDX-License-Identifier: BSD-3-Clause
// What the data path takes from a flow's hash: the low bits (the flow table's bucket), the high 16 (its tag)
// and the 32 in the middle (the select lcore). Each must be as good as chance on keys as regular as they get.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <functional>
#include <set>
#include <vector>

#include "net/flow_key.h"

using namespace yagura::net;

namespace {

constexpr std::uint32_t kKeys = 1 << 16;

FlowKey key_of(std::uint8_t version, std::uint8_t proto = 6) {
    FlowKey key;
    key.ip_version = version;
    key.proto = proto;
    if (version == 4) {
        key.src = {10, 0, 0, 1};
        key.dst = {192, 0, 2, 1};
    } else {
        key.src = {0x20, 0x01, 0x0d, 0xb8, 0, 1};
        key.dst = {0x20, 0x01, 0x0d, 0xb8, 0, 2};
    }
    key.sport = 40000;
    key.dport = 80;
    return key;
}

void add_to(IpAddress& address, std::size_t at, std::uint32_t n) {
    address[at] = static_cast<std::uint8_t>(n >> 8);
    address[at + 1] = static_cast<std::uint8_t>(n);
}

struct Family {
    const char* name;
    std::function<FlowKey(std::uint32_t n)> key;
};

std::vector<Family> families() {
    return {
        {"clients of an IPv4 network",
         [](std::uint32_t n) {
             FlowKey key = key_of(4);
             add_to(key.src, 2, n);
             return key;
         }},
        {"ports of one IPv4 client",
         [](std::uint32_t n) {
             FlowKey key = key_of(4);
             key.sport = static_cast<std::uint16_t>(n);
             return key;
         }},
        {"all pairs of 256 IPv4 neighbours",
         [](std::uint32_t n) {
             FlowKey key = key_of(4, 17);
             key.src = {10, 0, 0, static_cast<std::uint8_t>(n)};
             key.dst = {10, 0, 1, static_cast<std::uint8_t>(n >> 8)};
             return key;
         }},
        {"networks in the high bytes, with the port along",
         [](std::uint32_t n) {
             FlowKey key = key_of(4);
             add_to(key.src, 0, n);
             key.sport = static_cast<std::uint16_t>(n);
             return key;
         }},
        {"ports on both sides of one pair",
         [](std::uint32_t n) {
             FlowKey key = key_of(4);
             key.dst = key.src;
             key.sport = static_cast<std::uint16_t>(n & 0xff);
             key.dport = static_cast<std::uint16_t>(0x1000 | n >> 8);
             return key;
         }},
        {"VLANs",
         [](std::uint32_t n) {
             FlowKey key = key_of(4);
             key.domain[n & 1] = static_cast<std::uint16_t>(n >> 1 | 0x8000);
             return key;
         }},
        {"hosts of an IPv6 network",
         [](std::uint32_t n) {
             FlowKey key = key_of(6);
             add_to(key.src, 14, n);
             return key;
         }},
        {"IPv6 networks",
         [](std::uint32_t n) {
             FlowKey key = key_of(6);
             add_to(key.dst, 4, n);
             return key;
         }},
        {"ports of one IPv6 client",
         [](std::uint32_t n) {
             FlowKey key = key_of(6);
             key.sport = static_cast<std::uint16_t>(n);
             return key;
         }},
    };
}

/// How many standard deviations the fullest and the emptiest way to spread are from chance: chi-square of
/// `counts`, as a normal variable (Wilson and Hilferty).
double deviation(const std::vector<std::uint32_t>& counts) {
    const double expected = static_cast<double>(kKeys) / static_cast<double>(counts.size());
    double chi = 0;
    for (const std::uint32_t count : counts) chi += (count - expected) * (count - expected) / expected;
    const double freedom = static_cast<double>(counts.size() - 1);
    const double spread = 2 / (9 * freedom);
    return (std::cbrt(chi / freedom) - (1 - spread)) / std::sqrt(spread);
}

}  // namespace

TEST_CASE("bucket, tag and lcore of regular keys are spread as by chance") {
    for (const Family& family : families()) {
        INFO(family.name);
        for (const std::uint64_t seed :
             {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{0x9d2c5680cafef00d}}) {
            INFO("seed " << seed);
            std::vector<std::uint32_t> low(1024);
            std::vector<std::uint32_t> high(1024);
            std::vector<std::uint32_t> of_three(3);
            std::vector<std::uint32_t> of_sixteen(16);
            std::set<std::uint64_t> all;
            for (std::uint32_t n = 0; n < kKeys; ++n) {
                const FlowKey key = family.key(n);
                const std::uint64_t hash = key.symmetric_hash(seed);
                all.insert(hash);
                ++low[hash & 1023];
                ++high[hash >> 54];
                const std::uint64_t middle = static_cast<std::uint32_t>(hash >> 16);
                ++of_three[middle * 3 >> 32];
                ++of_sixteen[middle * 16 >> 32];
            }
            CHECK(all.size() == kKeys);
            // Worse than chance; more even than chance does no harm.
            CHECK(deviation(low) < 5);
            CHECK(deviation(high) < 5);
            CHECK(deviation(of_three) < 5);
            CHECK(deviation(of_sixteen) < 5);
        }
    }
}

TEST_CASE("what makes no difference to sums, differences or single words makes one to the hash") {
    for (const std::uint64_t seed : {std::uint64_t{0}, std::uint64_t{99}}) {
        const auto differ = [seed](const FlowKey& a, const FlowKey& b) {
            CHECK(a.symmetric_hash(seed) != b.symmetric_hash(seed));
        };
        for (unsigned bit = 0; bit < 16; ++bit) {
            for (const std::uint8_t version : {std::uint8_t{4}, std::uint8_t{6}}) {
                // Exchanged between the ports, between port and address, between the two halves of an
                // address.
                const FlowKey plain = key_of(version);
                FlowKey one = plain;
                FlowKey other = plain;
                one.sport = static_cast<std::uint16_t>(plain.sport ^ 1u << bit);
                other.dport = static_cast<std::uint16_t>(plain.dport ^ 1u << bit);
                differ(one, other);
                for (const std::size_t at : {0, 2, 6, 8, 10, 12, 14}) {
                    if (version == 4 && at > 2) break;
                    other = plain;
                    other.src[at + bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
                    differ(one, other);
                    differ(plain, other);
                    FlowKey third = plain;
                    third.dst[at + bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
                    differ(other, third);
                }
            }
        }
    }
}

TEST_CASE("no word of an IPv6 address makes a sender's other words meaningless") {
    // The constants of the hash are no secret: an address made of one must not bring a product to 0.
    using yagura::base::kHashA;
    using yagura::base::kHashB;
    using yagura::base::kHashC;
    using yagura::base::kHashD;
    for (const std::uint64_t word : {std::uint64_t{0}, kHashA, kHashB, kHashC, kHashD}) {
        for (const std::size_t at : {0, 8}) {
            std::set<std::uint64_t> hashes;
            for (std::uint32_t n = 0; n < 1000; ++n) {
                FlowKey key = key_of(6);
                for (std::size_t i = 0; i < 8; ++i)
                    key.src[at + i] = static_cast<std::uint8_t>(word >> 8 * i);
                add_to(key.src, 8 - at, n);
                hashes.insert(key.symmetric_hash(0x1234567));
            }
            CHECK(hashes.size() == 1000);
        }
    }
}

TEST_CASE("hash and direction come to what canonical keys say") {
    for (const Family& family : families()) {
        INFO(family.name);
        std::size_t wrong = 0;
        for (std::uint32_t n = 0; n < 1000; ++n) {
            const FlowKey key = family.key(n * 61);
            for (const FlowKey& way : {key, key.reversed()}) {
                const auto [hash, reversed] = way.hash_and_direction(5);
                wrong += hash == key.canonical().symmetric_hash(5) && reversed == !way.is_canonical() ? 0 : 1;
                wrong += way == way.reversed() || way.is_canonical() != way.reversed().is_canonical() ? 0 : 1;
            }
        }
        CHECK(wrong == 0);
    }
}
