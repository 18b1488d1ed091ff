// SPDX-License-Identifier: BSD-3-Clause
#include "select/inspection.h"

#include <catch2/catch.hpp>

using namespace yagura;
using select::Inspection;
using select::Inspections;

TEST_CASE("the oldest gives way first, of the one-sided before all others") {
    Inspections pool(4);
    CHECK(pool.oldest(false) == Inspection::kNone);
    const auto a = pool.acquire(10);
    const auto b = pool.acquire(11);
    const auto c = pool.acquire(12);
    CHECK(pool[b].flow == 11);
    CHECK(pool.oldest(false) == a);
    pool.set_answered(a);
    CHECK(pool.oldest(false) == b);
    CHECK(pool.oldest_one_sided() == b);

    SECTION("also when some have a state of their streams") {
        pool.set_stateful(b);
        CHECK(pool.oldest(false) == b);
        CHECK(pool.oldest(true) == b);
        pool.release(b);
        CHECK(pool.oldest(false) == c);
        CHECK(pool.oldest(true) == Inspection::kNone);
        pool.set_stateful(a);
        CHECK(pool.oldest(true) == a);
    }
    SECTION("and the answered when no other is left") {
        pool.release(b);
        pool.release(c);
        CHECK(pool.oldest_one_sided() == Inspection::kNone);
        CHECK(pool.oldest(false) == a);
    }
}

TEST_CASE("a pool of inspections is bounded, and what is given back is new again") {
    Inspections pool(2);
    const auto a = pool.acquire(1);
    pool[a].closed = true;
    pool[a].scanned[0] = 5;
    CHECK(pool.acquire(2) != Inspection::kNone);
    CHECK_FALSE(pool.has_room());
    CHECK(pool.acquire(3) == Inspection::kNone);
    CHECK(pool.count() == 2);
    pool.release(a);
    CHECK(pool.has_room());
    const auto again = pool.acquire(4);
    CHECK_FALSE(pool[again].closed);
    CHECK(pool[again].scanned[0] == 0);
}
