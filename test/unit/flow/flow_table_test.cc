// SPDX-License-Identifier: BSD-3-Clause
#include "flow/flow_table.h"

#include <catch2/catch.hpp>
#include <set>

using yagura::flow::FlowTable;
using yagura::net::FlowKey;

namespace {

FlowKey numbered(std::uint32_t n) {
    FlowKey key;
    key.ip_version = 4;
    key.proto = 6;
    key.src = {10, static_cast<std::uint8_t>(n >> 16), static_cast<std::uint8_t>(n >> 8),
               static_cast<std::uint8_t>(n)};
    key.dst = {192, 0, 2, 1};
    key.sport = 40000;
    key.dport = 80;
    return key;
}

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

TEST_CASE("flows that differ in one field have entries of their own") {
    FlowTable table(16, {}, false);
    std::set<std::uint32_t> entries;
    FlowKey key = numbered(1);
    entries.insert(look_up(table, key).index);
    for (auto change :
         {+[](FlowKey& k) { k.src[15] = 1; }, +[](FlowKey& k) { k.dst[0] ^= 1; },
          +[](FlowKey& k) { ++k.sport; }, +[](FlowKey& k) { ++k.dport; }, +[](FlowKey& k) { k.proto = 17; },
          +[](FlowKey& k) { k.ip_version = 6; }, +[](FlowKey& k) { std::swap(k.sport, k.dport); }}) {
        FlowKey other = key;
        change(other);
        entries.insert(look_up(table, other).index);
    }
    CHECK(entries.size() == 8);
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
