// SPDX-License-Identifier: BSD-3-Clause
#include "reset/tag_table.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <thread>
#include <vector>

#include "support/random.h"

using namespace yagura;
using reset::TagTable;

namespace {

struct Kept {
    std::uint64_t hash;
    std::uint32_t number;
    std::uint32_t place;
};

/// Hashes of a table that is made for `capacity`, by bucket and tag; what lies between says nothing to it.
struct Hashes {
    std::uint64_t buckets;
    explicit Hashes(std::uint32_t capacity) : buckets((capacity + 2) / 3) {}
    std::uint64_t operator()(std::uint64_t bucket, std::uint64_t tag) const {
        return tag << 56 | 0x00'1234'0000'0000 | ((bucket << 32) + buckets - 1) / buckets;
    }
};

bool shows(const TagTable& table, std::uint64_t hash, std::uint32_t number) {
    return table.find(hash, [number](std::uint32_t shown) { return shown == number; });
}

}  // namespace

TEST_CASE("whatever is added and removed, all that is there is shown, however full its bucket") {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        test::Random random(seed);
        constexpr std::uint32_t kCapacity = 60;
        const Hashes hash_of(kCapacity);
        TagTable table(kCapacity);
        std::vector<Kept> all;
        // Of a bucket that is seldom used.
        const std::uint64_t nobody = hash_of(3, 1);
        // From all in one bucket to nearly all over.
        const std::uint32_t homes = random.between(1, hash_of.buckets - 4);
        for (std::uint32_t step = 0; step < 3000; ++step) {
            INFO("seed " << seed << ", step " << step);
            if (all.size() < kCapacity && random.below(100) < 55) {
                const std::uint64_t hash = hash_of(hash_of.buckets - 1 - random.below(homes),
                                                   random.one_in(4) ? 0 : random.below(256));
                all.push_back({hash, step, table.add(hash, step)});
            } else if (!all.empty()) {
                const std::size_t which = random.below(static_cast<std::uint32_t>(all.size()));
                table.remove(all[which].hash, all[which].place);
                all[which] = all.back();
                all.pop_back();
            }
            for (const Kept& kept : all) {
                REQUIRE(table.may_have(kept.hash, nobody));
                REQUIRE(table.may_have(nobody, kept.hash));
                REQUIRE(shows(table, kept.hash, kept.number));
            }
        }
        for (const Kept& kept : all) table.remove(kept.hash, kept.place);
        CHECK(table.displaced() == 0);
        for (std::uint64_t bucket = 0; bucket < hash_of.buckets; ++bucket) {
            for (std::uint64_t tag = 0; tag < 256; ++tag) {
                REQUIRE_FALSE(table.may_have(hash_of(bucket, tag), hash_of(bucket, tag)));
            }
        }
    }
}

TEST_CASE("a hash that nobody has is seldom taken for one that somebody has") {
    constexpr std::uint32_t kMany = 1 << 16;
    TagTable table(kMany);
    test::Random random(5);
    for (std::uint32_t n = 0; n < kMany; ++n) (void)table.add(random.word(), n);
    std::uint32_t shown = 0;
    std::uint32_t hinted = 0;
    for (std::uint32_t n = 0; n < kMany; ++n) {
        const std::uint64_t hash = random.word();
        if (table.may_have(hash, hash)) ++hinted;
        if (table.find(hash, [](std::uint32_t) { return true; })) ++shown;
    }
    // Three tags of 255 in a bucket, and a bucket in 80 had to send somebody on.
    CHECK(shown < kMany / 70);
    CHECK(hinted < kMany / 30);
    CHECK(table.displaced() < kMany / 100);
}

TEST_CASE("a table holds all it is made for, even if they all belong into one bucket") {
    constexpr std::uint32_t kMany = 2000;
    TagTable table(kMany);
    const Hashes hash_of(kMany);
    std::vector<Kept> all;
    for (std::uint32_t n = 0; n < kMany; ++n) {
        const std::uint64_t hash = hash_of(7, n % 256);
        all.push_back({hash, n, table.add(hash, n)});
    }
    for (std::uint32_t n = 0; n < kMany; n += 2) table.remove(all[n].hash, all[n].place);
    for (std::uint32_t n = 1; n < kMany; n += 2) REQUIRE(shows(table, all[n].hash, n));
    for (std::uint32_t n = 1; n < kMany; n += 2) table.remove(all[n].hash, all[n].place);
    for (std::uint64_t tag = 0; tag < 256; ++tag) {
        REQUIRE_FALSE(table.find(hash_of(7, tag), [](std::uint32_t) { return true; }));
    }
}

TEST_CASE("a number that stays is shown to readers, while those before and behind it come and go") {
    constexpr std::uint32_t kStaying = 30;
    constexpr std::uint32_t kPassing = 70;
    TagTable table(kStaying + kPassing);
    const Hashes hash_of(kStaying + kPassing);
    std::vector<Kept> passing;
    test::Random random(3);
    const auto add_passing = [&] {
        const auto number = kStaying + static_cast<std::uint32_t>(passing.size());
        const std::uint64_t hash = hash_of(2 + random.below(3), random.below(256));
        passing.push_back({hash, number, table.add(hash, number)});
    };
    // Of one bucket, so that most are elsewhere.
    for (int n = 0; n < 20; ++n) add_passing();
    for (std::uint32_t n = 0; n < kStaying; ++n) (void)table.add(hash_of(2, n), n);
    REQUIRE(table.displaced() >= kStaying - 7);
    std::atomic<bool> stop{false};
    std::atomic<std::uint64_t> missed{0};
    std::atomic<std::uint64_t> looked{0};
    std::vector<std::thread> readers;
    for (std::uint64_t reader = 0; reader < 2; ++reader) {
        readers.emplace_back([&, reader] {
            test::Random own(reader);
            while (!stop.load(std::memory_order_relaxed)) {
                const std::uint32_t n = own.below(kStaying);
                if (!table.may_have(hash_of(2, n), hash_of(2, n)) || !shows(table, hash_of(2, n), n))
                    ++missed;
                ++looked;
            }
        });
    }
    // As long as readers want to have looked often.
    for (std::uint64_t n = 0; n < 200'000 || looked.load() < 20'000; ++n) {
        if (passing.size() < kPassing && (passing.empty() || random.one_in(2))) {
            add_passing();
        } else {
            const std::size_t which = random.below(static_cast<std::uint32_t>(passing.size()));
            table.remove(passing[which].hash, passing[which].place);
            passing[which] = passing.back();
            passing.pop_back();
        }
    }
    stop = true;
    for (std::thread& reader : readers) reader.join();
    CHECK(missed == 0);
}
