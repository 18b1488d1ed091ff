// SPDX-License-Identifier: BSD-3-Clause
#include "reset/target_hash.h"

#include <catch2/catch.hpp>
#include <functional>
#include <set>

#include "reset/tag_table.h"
#include "support/random.h"

using namespace yagura;
using net::FlowKey;
using reset::BlockTarget;
using reset::TagTable;
using reset::TargetHash;

namespace {

net::IpAddress address(std::uint64_t first, std::uint64_t second = 0) {
    net::IpAddress made{};
    base::store_u64(made.data(), __builtin_bswap64(first));
    base::store_u64(made.data() + 8, __builtin_bswap64(second));
    return made;
}
net::IpAddress address4(std::uint32_t number) {
    return address(std::uint64_t{number} << 32);
}

FlowKey any_key(test::Random& random) {
    FlowKey key;
    key.ip_version = random.one_in(2) ? 4 : 6;
    for (unsigned i = 0; i < (key.ip_version == 4 ? 4 : 16); ++i) {
        key.src[i] = static_cast<std::uint8_t>(random.word());
        key.dst[i] = static_cast<std::uint8_t>(random.word());
    }
    key.proto = 6;
    key.sport = static_cast<std::uint16_t>(random.word());
    key.dport = static_cast<std::uint16_t>(random.word());
    return key;
}

}  // namespace

TEST_CASE("a target and the packets that it is meant for have one hash") {
    test::Random random(1);
    for (int round = 0; round < 5000; ++round) {
        const TargetHash hash(random.below(4));
        const FlowKey key = any_key(random);
        const auto length = static_cast<std::uint8_t>(random.between(0, key.ip_version == 4 ? 32 : 128));
        CHECK(hash.prefix(hash.cut(key.ip_version, length), TargetHash::Address(key.src)) ==
              hash(BlockTarget::prefix(key.src, key.ip_version, length)));
        FlowKey elsewhere = key.reversed();
        elsewhere.domain = {1, 2, 3};
        CHECK(hash.connection(elsewhere) == hash(BlockTarget::connection(key)));
        CHECK(hash.connection(key) == hash.connection(elsewhere));
    }
}

TEST_CASE("whatever tells two targets apart tells their hashes apart") {
    const TargetHash hash(1);
    std::set<std::uint64_t> seen;
    std::size_t targets = 0;
    const auto add = [&](const BlockTarget& target) {
        seen.insert(hash(target));
        ++targets;
    };
    // One address, cut to every length.
    for (unsigned n = 0; n <= 32; ++n) add(BlockTarget::prefix({}, 4, static_cast<std::uint8_t>(n)));
    for (unsigned n = 0; n <= 128; ++n) add(BlockTarget::prefix({}, 6, static_cast<std::uint8_t>(n)));
    FlowKey key;
    key.ip_version = 4;
    key.proto = 6;
    add(BlockTarget::connection(key));
    for (unsigned bit = 0; bit < 128; ++bit) {
        FlowKey other = key;
        other.ip_version = bit < 32 ? 4 : 6;
        other.src[bit / 8] = static_cast<std::uint8_t>(0x80 >> bit % 8);
        add(BlockTarget::connection(other));
        add(BlockTarget::host(other.src, other.ip_version));
    }
    FlowKey other = key;
    other.ip_version = 6;
    add(BlockTarget::connection(other));
    other.proto = 17;
    add(BlockTarget::connection(other));
    for (std::uint16_t port = 1; port < 100; ++port) {
        other = key;
        other.sport = port;
        add(BlockTarget::connection(other));
        other.dport = port;
        add(BlockTarget::connection(other));
    }
    CHECK(seen.size() == targets);
}

TEST_CASE("targets that are chosen by a pattern spread as those at random do, under any seed") {
    constexpr std::uint32_t kMany = 1 << 14;
    const auto connection = [](const net::IpAddress& from, std::uint16_t sport, std::uint16_t dport) {
        FlowKey key;
        key.ip_version = 4;
        key.proto = 6;
        key.src = from;
        key.dst = address4(0xc0000201);
        key.sport = sport;
        key.dport = dport;
        return BlockTarget::connection(key);
    };
    struct Row {
        const char* what;
        std::function<BlockTarget(std::uint32_t)> target;
    };
    const Row rows[] = {
        {"hosts one after the other", [](auto n) { return BlockTarget::host(address4(0x0a000000 + n), 4); }},
        {"the same host of every net", [](auto n) { return BlockTarget::host(address4(n << 16 | 7), 4); }},
        {"every 256th host", [](auto n) { return BlockTarget::host(address4(n << 8), 4); }},
        {"nets of 24 bits", [](auto n) { return BlockTarget::prefix(address4(n << 8), 4, 24); }},
        {"nets of 16 to 32 bits",
         [](auto n) {
             return BlockTarget::prefix(address4(n << 18 >> 2), 4, static_cast<std::uint8_t>(16 + n % 17));
         }},
        {"hosts of one IPv6 net",
         [](auto n) { return BlockTarget::host(address(0x20010db8'00000000, n), 6); }},
        {"one host of many IPv6 nets",
         [](auto n) { return BlockTarget::host(address(0x20010db8'00000000 + n, 1), 6); }},
        {"both halves of an address alike",
         [](auto n) {
             return BlockTarget::host(address(std::uint64_t{n} << 32, std::uint64_t{n} << 32), 6);
         }},
        {"connections by their ports",
         [&](auto n) { return connection(address4(1), static_cast<std::uint16_t>(n), 80); }},
        {"connections by both ports",
         [&](auto n) {
             return connection(address4(1), static_cast<std::uint16_t>(n >> 7),
                               static_cast<std::uint16_t>(1000 + (n & 127)));
         }},
        {"connections by their source", [&](auto n) { return connection(address4(n << 18), 4000, 80); }},
    };
    for (const Row& row : rows) {
        for (std::uint64_t seed = 0; seed < 16; ++seed) {
            INFO(row.what << ", seed " << seed);
            const TargetHash hash(seed);
            TagTable table(kMany);
            for (std::uint32_t n = 0; n < kMany; ++n) (void)table.add(hash(row.target(n)), n);
            // By chance 0.6 %.
            CHECK(table.displaced() < kMany / 100);
        }
    }
}

TEST_CASE("another seed is another hash") {
    const TargetHash one(1);
    const TargetHash other(2);
    unsigned equal = 0;
    for (std::uint32_t n = 0; n < 1000; ++n) {
        const BlockTarget target = BlockTarget::host(address4(n), 4);
        if (((one(target) ^ other(target)) & 0xff) == 0) ++equal;
    }
    CHECK(equal < 20);
}
