// SPDX-License-Identifier: BSD-3-Clause
#include "reset/block_list.h"

#include <sys/resource.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <map>
#include <set>
#include <thread>

#include "net/packet_builder.h"
#include "support/random.h"

using namespace yagura;
using net::FlowKey;
using reset::Block;
using reset::BlockList;
using reset::BlockTarget;
using Added = BlockList::Added;

namespace {

net::IpAddress address4(std::uint32_t number) {
    net::IpAddress address{};
    base::store_be32(address.data(), number);
    return address;
}

Block block(const BlockTarget& target, std::uint64_t expires = Block::kForever, std::string reason = "") {
    return {.target = target, .created = 1, .expires = expires, .reason = std::move(reason)};
}

Block host(std::uint32_t number, std::uint64_t expires = Block::kForever) {
    return block(BlockTarget::host(address4(number), 4), expires);
}

/// Few addresses, so that things meet.
FlowKey any_key(test::Random& random) {
    FlowKey key;
    key.ip_version = random.one_in(3) ? 6 : 4;
    const auto address = [&] {
        net::IpAddress made{};
        const std::uint32_t bits = random.below(64);
        const unsigned size = key.ip_version == 4 ? 4 : 16;
        made[0] = static_cast<std::uint8_t>(16 * (bits & 3));
        made[size / 2] = static_cast<std::uint8_t>(bits >> 2 & 3);
        made[size - 1] = static_cast<std::uint8_t>(bits >> 4);
        return made;
    };
    key.src = address();
    key.dst = address();
    key.proto = random.one_in(2) ? 6 : 17;
    key.sport = static_cast<std::uint16_t>(random.below(3));
    key.dport = static_cast<std::uint16_t>(random.below(3));
    return key;
}

BlockTarget any_target(test::Random& random) {
    const FlowKey key = any_key(random);
    if (random.one_in(3)) return BlockTarget::connection(key);
    const std::uint32_t bits = key.ip_version == 4 ? 32 : 128;
    const std::uint32_t lengths[] = {0, 4, bits / 2, bits / 2 + 7, bits - 1, bits};
    return BlockTarget::prefix(key.src, key.ip_version, static_cast<std::uint8_t>(random.any_of(lengths)));
}

/// What a list does, the plain way.
struct Reference {
    std::map<std::string, Block> blocks;

    static int rank(const Block& b) {
        return b.target.kind == BlockTarget::Kind::kConnection ? 1000 : b.target.length;
    }
    const Block* lookup(const FlowKey& key, std::uint64_t now) const {
        const Block* best = nullptr;
        for (const auto& [text, candidate] : blocks) {
            if (candidate.expires <= now || !candidate.target.covers(key)) continue;
            const bool by_source = candidate.target.covers(key.src, key.ip_version);
            if (best == nullptr || rank(candidate) > rank(*best) ||
                (rank(candidate) == rank(*best) && by_source)) {
                best = &candidate;
            }
        }
        return best;
    }
};

}  // namespace

TEST_CASE("whatever is added, changed, removed and expires, a plain list says the same") {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        test::Random random(seed);
        constexpr std::uint32_t kCapacity = 60;
        BlockList list(kCapacity, random.word());
        Reference reference;
        std::uint64_t now = 1000;
        for (int step = 0; step < 4000; ++step) {
            INFO("seed " << seed << ", step " << step);
            const std::uint32_t what = random.below(10);
            if (what < 4) {
                const Block added =
                    block(any_target(random), random.one_in(3) ? Block::kForever : now + random.below(200),
                          std::to_string(step));
                const std::string text = to_string(added.target);
                std::size_t alive = 0;
                for (const auto& [name, b] : reference.blocks) alive += b.expires > now ? 1 : 0;
                const Added result = list.add(added, now);
                if (result == Added::kFull) {
                    REQUIRE(reference.blocks.count(text) == 0);
                    REQUIRE(alive == kCapacity);
                } else {
                    if (result == Added::kNew && list.size() < reference.blocks.size() + 1) {
                        std::erase_if(reference.blocks,
                                      [now](const auto& b) { return b.second.expires <= now; });
                    }
                    REQUIRE((result == Added::kChanged) == (reference.blocks.count(text) == 1));
                    reference.blocks[text] = added;
                }
            } else if (what == 4) {
                const BlockTarget target = any_target(random);
                REQUIRE(list.remove(target) == (reference.blocks.erase(to_string(target)) == 1));
            } else if (what == 5) {
                now += random.below(20);
            } else if (what == 6 && random.one_in(5)) {
                const std::uint32_t before = list.size();
                const std::uint32_t expired = list.expire(now, BlockList::kMaxCapacity);
                REQUIRE(before - list.size() == expired);
                const auto gone =
                    std::erase_if(reference.blocks, [now](const auto& b) { return b.second.expires <= now; });
                REQUIRE(gone == expired);
            } else {
                const FlowKey key = any_key(random);
                const auto hit = list.lookup(key, now);
                const Block* const expected = reference.lookup(key, now);
                REQUIRE(hit.has_value() == (expected != nullptr));
                if (hit) REQUIRE(list.get(hit->entry) == *expected);
            }
            REQUIRE(list.size() == reference.blocks.size());
        }
        // Both have the same in the end, in pages of any size.
        std::set<std::string> listed;
        std::uint32_t from = 0;
        do {
            const auto page = list.list(from, random.between(1, 7), now, {}, random.between(1, 20));
            for (const Block& b : page.blocks) {
                REQUIRE(listed.insert(to_string(b.target)).second);
                REQUIRE(reference.blocks.at(to_string(b.target)) == b);
            }
            from = page.next;
        } while (from != 0);
        const auto alive = std::count_if(reference.blocks.begin(), reference.blocks.end(),
                                         [now](const auto& b) { return b.second.expires > now; });
        REQUIRE(listed.size() == static_cast<std::size_t>(alive));
    }
}

TEST_CASE("a prefix of every length blocks what begins with its bits, and nothing else") {
    test::Random random(4);
    for (const std::uint8_t version : {std::uint8_t{4}, std::uint8_t{6}}) {
        const unsigned bits = version == 4 ? 32 : 128;
        for (unsigned length = 0; length <= bits; ++length) {
            INFO("IPv" << unsigned{version} << ", " << length << " bits");
            const auto flip = [](net::IpAddress& address, unsigned bit) {
                address[bit / 8] = static_cast<std::uint8_t>(address[bit / 8] ^ 0x80 >> bit % 8);
            };
            net::IpAddress inside{};
            for (unsigned i = 0; i < bits / 8; ++i) inside[i] = static_cast<std::uint8_t>(random.word());
            BlockList list(10, random.word());
            REQUIRE(list.add(block(BlockTarget::prefix(inside, version, static_cast<std::uint8_t>(length))),
                             1) == Added::kNew);
            if (length < bits) flip(inside, random.between(length, bits - 1));
            FlowKey key;
            key.ip_version = version;
            // An end that is outside whatever the prefix is, but the empty one.
            key.src = inside;
            key.dst = inside;
            if (length > 0) flip(key.dst, length - 1);
            const auto there = list.lookup(key, 2);
            REQUIRE(there);
            CHECK(there->by_source);
            const auto back = list.lookup(key.reversed(), 2);
            REQUIRE(back);
            CHECK(back->by_source == (length == 0));
            key.src = key.dst;
            CHECK(list.lookup(key, 2).has_value() == (length == 0));
            key.ip_version = version == 4 ? 6 : 4;
            CHECK_FALSE(list.lookup(key, 2));
        }
    }
}

TEST_CASE("a full list takes more only when something has expired") {
    BlockList list(100, 1);
    for (std::uint32_t n = 0; n < 100; ++n) REQUIRE(list.add(host(n, 1000 + n), 1) == Added::kNew);
    CHECK(list.add(host(1000), 1) == Added::kFull);
    CHECK(list.add(host(50, 5000), 1) == Added::kChanged);
    CHECK(list.add(host(1000), 1000) == Added::kNew);
    CHECK(list.size() == 100);
    CHECK(list.add(host(1001), 1000) == Added::kFull);
    CHECK(list.add(host(1001), 1005) == Added::kNew);
    CHECK(list.size() == 96);
}

TEST_CASE("expiry in small steps finds all") {
    BlockList list(10'000, 1);
    for (std::uint32_t n = 0; n < 10'000; ++n)
        REQUIRE(list.add(host(n, n % 2 != 0 ? 10 : 100), 1) == Added::kNew);
    std::uint32_t expired = 0;
    for (int n = 0; n < 110; ++n) expired += list.expire(10, 100);
    CHECK(expired == 5000);
    list.clear();
    CHECK(list.size() == 0);
    CHECK(list.list(0, 10, 1, {}).blocks.empty());
}

TEST_CASE("reasons are short text") {
    BlockList list(10, 1);
    const auto add = [&](std::string reason) {
        return list.add(block(BlockTarget::host(address4(1), 4), 100, std::move(reason)), 1);
    };
    CHECK(add("ET SCAN, 見張り") == Added::kNew);
    CHECK(list.find(BlockTarget::host(address4(1), 4))->reason == "ET SCAN, 見張り");
    CHECK(add(std::string(54, 'x')) == Added::kChanged);
    for (const char* bad : {"tab\there", "line\nfeed", "\x7f", "\xff", "\xc0\x80", "\xed\xa0\x80", "\xe2\x82",
                            "\xc2\x85", "\xf5\x80\x80\x80"}) {
        CHECK(add(bad) == Added::kBadReason);
    }
    CHECK(add(std::string(55, 'x')) == Added::kBadReason);
}

TEST_CASE("an entry that is extended never ends before, and stays what it was") {
    BlockList list(10, 1);
    const BlockTarget target = BlockTarget::host(address4(1), 4);
    const auto entry = [&](std::uint64_t expires, const char* reason, std::uint64_t created) {
        return Block{.target = target, .created = created, .expires = expires, .reason = reason};
    };
    CHECK(list.extend(entry(100, "first", 1), 1) == Added::kNew);
    CHECK(list.extend(entry(50, "shorter", 2), 2) == Added::kKept);
    CHECK(list.find(target) == entry(100, "first", 1));
    CHECK(list.extend(entry(200, "longer", 3), 3) == Added::kChanged);
    CHECK(list.find(target) == entry(200, "first", 1));
    CHECK(list.expire(150, 10) == 0);
    CHECK(list.lookup({.src = address4(1), .dst = address4(2), .proto = 6, .ip_version = 4}, 150));
    // A person's word counts, whatever it is.
    CHECK(list.add(entry(Block::kForever, "for good", 4), 4) == Added::kChanged);
    CHECK(list.extend(entry(300, "a rule's", 5), 5) == Added::kKept);
    CHECK(list.find(target) == entry(Block::kForever, "for good", 4));
    CHECK(list.add(entry(10, "shorter by hand", 6), 6) == Added::kChanged);
    CHECK(list.find(target) == entry(10, "shorter by hand", 6));
    // One that blocks no more is nothing that could be extended.
    CHECK(list.extend(entry(20, "anew", 10), 10) == Added::kChanged);
    CHECK(list.find(target) == entry(20, "anew", 10));
    CHECK(list.expire(20, 10) == 1);
}

TEST_CASE("search by address and reason") {
    BlockList list(100, 1);
    const auto add = [&](const char* text, const char* reason) {
        REQUIRE(list.add(block(*reset::parse_block_target(text), Block::kForever, reason), 1) == Added::kNew);
    };
    add("10.0.0.0/8", "ten");
    add("10.1.2.3", "host of ten");
    add("10.1.0.0/16", "");
    add("192.0.2.1", "other");
    add("tcp 10.1.9.9:5 192.0.2.2:80", "connection");
    const auto found = [&](const BlockList::Query& query) {
        std::set<std::string> texts;
        for (const Block& b : list.list(0, 100, 1, query).blocks) texts.insert(to_string(b.target));
        return texts;
    };
    using Texts = std::set<std::string>;
    CHECK(found({.within = reset::parse_block_target("10.1.0.0/16"), .reason = {}}) ==
          Texts{"10.1.0.0/16", "10.1.2.3",
                to_string(*reset::parse_block_target("tcp 10.1.9.9:5 192.0.2.2:80"))});
    CHECK(found({.within = {}, .reason = "ten"}) == Texts{"10.0.0.0/8", "10.1.2.3"});
    const auto covering = list.covering(net::parse_address("10.1.2.3")->address, 4, 1);
    REQUIRE(covering.size() == 3);
    CHECK(covering[0].target.length == 32);
    CHECK(covering[2].target.length == 8);
}

TEST_CASE("a million entries in the memory that was said") {
    constexpr std::uint32_t kMany = 1'000'000;
    BlockList list(kMany, 1);
    CHECK(list.bytes_per_entry() < 142);
    for (std::uint32_t n = 0; n < kMany; ++n) REQUIRE(list.add(host(n), 1) == Added::kNew);
    REQUIRE(list.add(host(kMany), 1) == Added::kFull);
    FlowKey key;
    key.ip_version = 4;
    std::uint32_t found = 0;
    for (std::uint32_t n = 0; n < 2 * kMany; ++n) {
        key.src = address4(n);
        key.dst = address4(0xf0000000);
        found += list.lookup(key, 2) ? 1u : 0u;
    }
    CHECK(found == kMany);
    // One more and one less at a full list are two changes, not a million.
    for (std::uint32_t n = 0; n < 200'000; ++n) {
        REQUIRE(list.remove(BlockTarget::host(address4(n), 4)));
        REQUIRE(list.add(host(kMany + n), 2) == Added::kNew);
    }
    CHECK(list.size() == kMany);
}

TEST_CASE("readers find what is there, while everything around it comes and goes") {
    constexpr std::uint32_t kStaying = 64;
    constexpr std::uint32_t kPassing = 5000;
    // Small, so that chains are long and places are used again soon.
    BlockList list(kStaying + 32, 1);
    for (std::uint32_t n = 0; n < kStaying; ++n) REQUIRE(list.add(host(n), 1) == Added::kNew);
    std::atomic<bool> stop{false};
    std::atomic<std::uint64_t> missed{0};
    std::atomic<std::uint64_t> wrong{0};
    std::atomic<std::uint64_t> looked{0};
    std::vector<std::thread> readers;
    for (std::uint64_t reader = 0; reader < 2; ++reader) {
        readers.emplace_back([&, reader] {
            test::Random random(reader);
            while (!stop.load(std::memory_order_relaxed)) {
                FlowKey key;
                key.ip_version = 4;
                key.src = address4(random.below(kStaying));
                key.dst = address4(0xe0000000);
                const auto hit = list.lookup(key, 5);
                if (!hit || !hit->by_source) ++missed;
                key.src = address4(0xf0000000 + random.below(1000));
                if (list.lookup(key, 5)) ++wrong;
                looked += 2;
            }
        });
    }
    test::Random random(9);
    // As long as readers want to have looked often.
    for (std::uint64_t n = 0; n < 400'000 || looked.load() < 20'000; ++n) {
        const std::uint32_t which = 1000 + random.below(kPassing);
        if (list.add(host(which, 4 + random.below(3)), 2) == Added::kFull) {
            for (std::uint32_t i = 0; i < kPassing && list.size() > kStaying + 16; ++i) {
                (void)list.remove(BlockTarget::host(address4(1000 + i), 4));
            }
        } else if (random.one_in(2)) {
            (void)list.remove(BlockTarget::host(address4(which), 4));
        }
    }
    stop = true;
    for (std::thread& reader : readers) reader.join();
    CHECK(missed == 0);
    CHECK(wrong == 0);
}
