// SPDX-License-Identifier: BSD-3-Clause
#include "flow/flow_table.h"

#include <sys/resource.h>

#include <catch2/catch.hpp>
#include <set>
#include <vector>

#include "flow_keys.h"
#include "net/protocol_numbers.h"
#include "support/skip.h"

using yagura::flow::FlowTable;
using yagura::net::FlowKey;
using yagura::test::numbered;

namespace {

FlowTable::Found look_up(FlowTable& table, const FlowKey& key) {
    return table.find_or_insert(key, key.symmetric_hash(1), {});
}

}  // namespace

TEST_CASE("both directions of a flow share an entry, which says which way a packet goes") {
    FlowTable table(16, {}, false);
    const FlowKey key = numbered(1);
    const auto first = look_up(table, key);
    REQUIRE(first.index != FlowTable::kNone);
    CHECK(first.inserted);
    CHECK_FALSE(first.reverse);
    const auto answer = look_up(table, key.reversed());
    CHECK(answer.index == first.index);
    CHECK_FALSE(answer.inserted);
    CHECK(answer.reverse);
    CHECK(table.entry(first.index).key == key);
    CHECK(table.size() == 1);
}

TEST_CASE("flows of a table whose memory was taken wait for no page") {
#ifdef __SANITIZE_ADDRESS__
    SKIP_TEST("the sanitizer's shadow of the memory has pages, too");
#endif
    const auto faults = [] {
        rusage usage{};
        getrusage(RUSAGE_THREAD, &usage);
        return usage.ru_minflt;
    };
    // Buckets are hit at random: 16 MiB of them, so that a thousand flows would touch every huge page.
    const auto faults_with = [&](bool taken) {
        FlowTable table(1u << 20, {}, true);
        if (taken) table.take_pages();
        const auto before = faults();
        for (std::uint32_t n = 0; n < 100'000; ++n) (void)look_up(table, numbered(n));
        CHECK(table.size() == 100'000);
        return faults() - before;
    };
    // The kernel may have moved some.
    CHECK(faults_with(true) * 4 < faults_with(false));
}

TEST_CASE("a flow is looked up without being touched") {
    FlowTable table(1000, {}, false);
    const auto hash = [](const FlowKey& key) { return key.symmetric_hash(1); };
    constexpr std::uint64_t kSecond = 1'000'000'000;
    for (std::uint32_t n = 0; n < 1000; ++n) {
        CHECK(table.look_up(numbered(n), hash(numbered(n))) == FlowTable::kNone);
        REQUIRE(table.find_or_insert(numbered(n), hash(numbered(n)), {100 * kSecond, 0, false}).inserted);
    }
    CHECK(table.size() == 1000);
    // Of so many some are in their second bucket.
    for (std::uint32_t n = 0; n < 1000; ++n) {
        const std::uint32_t index = table.look_up(numbered(n).reversed(), hash(numbered(n)));
        REQUIRE(index != FlowTable::kNone);
        CHECK(table.entry(index).key == numbered(n));
        CHECK(table.idle_ns(index) == 0);
        CHECK_FALSE(table.entry(index).answered);
    }
    (void)table.find_or_insert(numbered(5), hash(numbered(5)), {103 * kSecond, 0, false});
    CHECK(table.idle_ns(table.look_up(numbered(5), hash(numbered(5)))) == 0);
    const std::uint64_t idle = table.idle_ns(table.look_up(numbered(6), hash(numbered(6))));
    CHECK(idle > 2 * kSecond + kSecond / 2);
    CHECK(idle < 3 * kSecond + kSecond / 2);
    table.erase(table.look_up(numbered(6), hash(numbered(6))));
    CHECK(table.look_up(numbered(6), hash(numbered(6))) == FlowTable::kNone);
}

TEST_CASE("flows that differ in one field have entries of their own") {
    FlowTable table(16, {}, false);
    std::set<std::uint32_t> entries;
    FlowKey key = numbered(1);
    entries.insert(look_up(table, key).index);
    for (auto change :
         {+[](FlowKey& k) { k.src[15] = 1; }, +[](FlowKey& k) { k.dst[0] ^= 1; },
          +[](FlowKey& k) { ++k.sport; }, +[](FlowKey& k) { ++k.dport; }, +[](FlowKey& k) { k.proto = 17; },
          +[](FlowKey& k) { k.ip_version = 6; }, +[](FlowKey& k) { std::swap(k.sport, k.dport); },
          +[](FlowKey& k) { k.domain[0] = 1; }, +[](FlowKey& k) { k.domain[2] = 1; }}) {
        FlowKey other = key;
        change(other);
        const std::uint32_t index = look_up(table, other).index;
        CHECK(look_up(table, other.reversed()).index == index);
        entries.insert(index);
    }
    CHECK(entries.size() == 10);
}

TEST_CASE("the table fills to its capacity, then refuses new flows and keeps the old") {
    const std::uint32_t capacity = GENERATE(1u, 2u, 7u, 1000u, 100'000u);
    FlowTable table(capacity, {}, false);
    for (std::uint32_t n = 0; n < capacity; ++n) REQUIRE(look_up(table, numbered(n)).inserted);
    CHECK(look_up(table, numbered(capacity)).index == FlowTable::kNone);
    CHECK(table.size() == capacity);
    for (std::uint32_t n = 0; n < capacity; ++n) {
        const auto found = look_up(table, numbered(n).reversed());
        REQUIRE(found.index == n);
        REQUIRE_FALSE(found.inserted);
    }
}

TEST_CASE("flows with the same hash are told apart, and their number is bounded by two buckets") {
    FlowTable table(1000, {}, false);
    std::uint32_t kept = 0;
    for (std::uint32_t n = 0; n < 100; ++n) {
        const auto found = table.find_or_insert(numbered(n), 42, {});
        if (found.index == FlowTable::kNone) continue;
        CHECK(found.index == kept);
        ++kept;
    }
    CHECK(kept == 16);
    for (std::uint32_t n = 0; n < kept; ++n) CHECK(table.find_or_insert(numbered(n), 42, {}).index == n);
}

TEST_CASE("the place of an erased flow is used again, and nothing of the old one is left") {
    FlowTable table(4, {}, true);
    for (std::uint32_t n = 0; n < 4; ++n) look_up(table, numbered(n));
    const std::uint32_t index = look_up(table, numbered(2)).index;
    table.entry(index).decision = 7;
    table.entry(index).incomplete = true;
    table.details(index).bytes = 9;
    table.erase(index);
    CHECK(table.size() == 3);
    CHECK_FALSE(table.entry(index).used);

    const auto found = look_up(table, numbered(9));
    CHECK(found.inserted);
    CHECK(found.index == index);
    CHECK(table.entry(index).key == numbered(9));
    CHECK(table.entry(index).decision == 0);
    CHECK_FALSE(table.entry(index).incomplete);
    CHECK(table.details(index).bytes == 0);
    CHECK(look_up(table, numbered(2)).index == FlowTable::kNone);
    CHECK(table.size() == 4);
}

TEST_CASE("erasing from a full pair of buckets, in any order, leaves the others to be found") {
    const std::uint64_t hash = GENERATE(42ull, 0x8000'0000'0000'0000ull, 0xffff'ffff'ffff'ffffull);
    const std::uint32_t step = GENERATE(1u, 3u, 5u, 7u, 15u);
    FlowTable table(1000, {}, false);
    std::vector<std::uint32_t> indices;
    for (std::uint32_t n = 0; n < 16; ++n) {
        indices.push_back(table.find_or_insert(numbered(n), hash, {}).index);
    }
    REQUIRE(table.find_or_insert(numbered(16), hash, {}).index == FlowTable::kNone);
    std::set<std::uint32_t> gone;
    for (std::uint32_t k = 0; k < 16; ++k) {
        const std::uint32_t n = (k + 1) * step % 16;
        table.erase(indices[n]);
        gone.insert(n);
        for (std::uint32_t other = 0; other < 16; ++other) {
            if (gone.contains(other)) continue;
            const auto found = table.find_or_insert(numbered(other), hash, {});
            REQUIRE(found.index == indices[other]);
            REQUIRE_FALSE(found.inserted);
        }
    }
    CHECK(table.size() == 0);
    for (std::uint32_t n = 0; n < 16; ++n) {
        CHECK(table.find_or_insert(numbered(100 + n), hash, {}).inserted);
    }
}

TEST_CASE("every flow is called back once, and may be erased by the callback") {
    FlowTable table(100, {}, false);
    for (std::uint32_t n = 0; n < 100; ++n) look_up(table, numbered(n));
    std::set<std::uint32_t> seen;
    table.for_each([&](std::uint32_t i) {
        CHECK(seen.insert(i).second);
        if (i % 2 == 0) table.erase(i);
    });
    CHECK(seen.size() == 100);
    CHECK(table.size() == 50);
    seen.clear();
    table.for_each([&](std::uint32_t i) { seen.insert(i); });
    CHECK(seen.size() == 50);
}

TEST_CASE("what changes nothing of an established flow but its time goes the short way") {
    using namespace yagura::net::tcp_flag;
    constexpr std::uint64_t kSecond = 1'000'000'000;
    FlowTable table(64, {}, false);
    const FlowKey key = numbered(1);
    const std::uint64_t hash = key.symmetric_hash(1);
    const auto arrival = [](std::uint64_t seconds, int flags) {
        return yagura::flow::Arrival{
            .now_ns = seconds * kSecond, .tcp_flags = static_cast<std::uint8_t>(flags), .has_payload = true};
    };
    const auto goes_on = [&](const FlowKey& asked, const yagura::flow::Arrival& at) {
        const std::uint32_t candidate = table.candidate(hash);
        return candidate != FlowTable::kNone && table.is_open(candidate) &&
               table.goes_on(candidate, asked, !asked.is_canonical(), at);
    };
    CHECK_FALSE(goes_on(key, arrival(100, kSyn)));
    (void)table.find_or_insert(key, hash, arrival(100, kSyn));
    CHECK(goes_on(key, arrival(100, kSyn)));                   // sent again
    CHECK_FALSE(goes_on(key.reversed(), arrival(100, kSyn)));  // the first answer
    for (const int flags : {0, +kAck, kSyn | kAck, kSyn | kFin, kSyn | kRst})
        CHECK_FALSE(goes_on(key, arrival(100, flags)));
    (void)table.find_or_insert(key, hash, arrival(100, kAck));
    CHECK(goes_on(key, arrival(101, kAck)));
    CHECK_FALSE(goes_on(key.reversed(), arrival(101, kAck)));  // the first answer
    (void)table.find_or_insert(key.reversed(), hash, arrival(101, kSyn | kAck));
    CHECK(goes_on(key.reversed(), arrival(102, kAck)));
    CHECK(goes_on(key, arrival(103, kAck | kPsh)));

    for (const std::uint8_t flag : {kSyn, kFin, kRst}) CHECK_FALSE(goes_on(key, arrival(103, flag | kAck)));
    CHECK_FALSE(goes_on(key, arrival(90, kAck)));  // it is older than the last
    CHECK_FALSE(
        goes_on(key, arrival(200, kAck)));  // longer than the shortest timeout: find_or_insert() knows
    FlowKey other = key;
    other.dport = 81;
    CHECK_FALSE(goes_on(other, arrival(103, kAck)));
    CHECK_FALSE(goes_on(other.reversed(), arrival(103, kAck)));
    // None of these has changed anything.
    CHECK(goes_on(key, arrival(104, kAck)));

    table.erase(table.candidate(hash));
    CHECK_FALSE(goes_on(key, arrival(104, kAck)));
}

TEST_CASE("the prefetches may be asked for anything, and change nothing") {
    const bool details = GENERATE(false, true);
    FlowTable table(64, {}, details);
    for (std::uint32_t n = 0; n < 64; ++n) {
        const FlowKey key = numbered(n);
        for (int twice = 0; twice < 2; ++twice) {
            table.prefetch(key.symmetric_hash(1));
            std::uint32_t candidate = table.candidate(key.symmetric_hash(1), true);
            if (candidate == FlowTable::kElsewhere)
                candidate = table.second_candidate(key.symmetric_hash(1), true);
            const auto found = look_up(table, key);
            CHECK(found.inserted == (twice == 0));
            CHECK(candidate == (twice == 0 ? FlowTable::kNone : found.index));
        }
    }
    CHECK(table.size() == 64);
}
