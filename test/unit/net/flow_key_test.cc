// SPDX-License-Identifier: BSD-3-Clause
#include "net/flow_key.h"

#include <catch2/catch.hpp>

using yagura::net::FlowKey;

TEST_CASE("both directions of a flow share canonical key and hash") {
    FlowKey key;
    key.ip_version = 4;
    key.proto = 6;
    key.src = {10, 0, 0, 1};
    key.dst = {10, 0, 0, 2};
    key.sport = 40000;
    key.dport = 80;
    const FlowKey back = key.reversed();
    CHECK(key.canonical() == back.canonical());
    CHECK(key.symmetric_hash(7) == back.symmetric_hash(7));
    CHECK(key.symmetric_hash(7) != key.symmetric_hash(8));
    CHECK(back.reversed() == key);
    FlowKey other = key;
    other.dport = 81;
    CHECK(other.symmetric_hash(7) != key.symmetric_hash(7));
    for (std::size_t i = 0; i < key.domain.size(); ++i) {
        FlowKey elsewhere = key;
        elsewhere.domain[i] = 1;
        CHECK(elsewhere.symmetric_hash(7) != key.symmetric_hash(7));
        CHECK(elsewhere.symmetric_hash(7) == elsewhere.reversed().symmetric_hash(7));
        CHECK(elsewhere.canonical() == elsewhere.reversed().canonical());
        CHECK(elsewhere.canonical() != key.canonical());
    }
}

TEST_CASE("swapping only the ports is another flow") {
    FlowKey key;
    key.ip_version = 4;
    key.proto = 17;
    key.src = {10, 0, 0, 1};
    key.dst = {10, 0, 0, 2};
    key.sport = 1;
    key.dport = 2;
    FlowKey swapped = key;
    std::swap(swapped.sport, swapped.dport);
    CHECK(key.canonical() != swapped.canonical());
    CHECK(key.symmetric_hash(0) != swapped.symmetric_hash(0));
}
