// SPDX-License-Identifier: BSD-3-Clause
// Every way in which a test case can end, for test/e2e/runner_test.py. Not a test itself.
#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>

#include "support/skip.h"

TEST_CASE("passes") {
    SECTION("here") {
        CHECK(1 + 1 == 2);
    }
    SECTION("and there") {
        CHECK(2 + 2 == 4);
    }
}

TEST_CASE("is skipped") {
    SKIP_TEST("there is no "
              << "moon");
}

TEST_CASE("prints what looks like XML") {
    std::puts("<TestCase name=\"false\">");
    CHECK(true);
}

TEST_CASE("fails", "[failing]") {
    const int answer = 42;
    SECTION("in a section") {
        CAPTURE(answer);
        CHECK(answer == 43);
    }
}

TEST_CASE("skips in a section", "[failing]") {
    SECTION("first") {
        SKIP_TEST("there is no sun");
    }
    SECTION("second") {
        CHECK(true);
    }
}

TEST_CASE("throws", "[failing]") {
    throw std::runtime_error("thrown <here>");
}

TEST_CASE("aborts", "[.aborting]") {
    std::puts("last words");
    std::fflush(stdout);
    std::abort();
}

TEST_CASE("exits", "[.exiting]") {
    std::_Exit(0);
}
