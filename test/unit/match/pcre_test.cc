// SPDX-License-Identifier: BSD-3-Clause
// Patterns in streams against PCRE2 over the whole stream. The seed is fixed, so that a failure can be
// repeated; the fuzz target stream_fuzz goes on where this stops.
#include <catch2/catch.hpp>

#include "support/stream_checks.h"

using namespace yagura::test;

TEST_CASE("a stream gives what PCRE2 finds in the whole, wherever it is cut") {
    constexpr std::uint32_t kSeed = 20261122;
    Choices choices(kSeed);
    StreamCheckCounts counts;
    for (unsigned round = 0; round < 1500; ++round) {
        const std::string wrong = check_streams(choices, counts);
        if (!wrong.empty()) FAIL("seed " << kSeed << ", round " << round << ": " << wrong);
    }
    WARN("seed " << kSeed << ": " << counts.cases << " cases, " << counts.found << " found, " << counts.placed
                 << " with a place, " << counts.refused << " refused by us; " << counts.gaps << " gaps, "
                 << counts.found_late << " found behind them");
    CHECK(counts.cases > 2000);
    CHECK(counts.found > counts.cases / 5);
    CHECK(counts.found < counts.cases * 9 / 10);
    CHECK(counts.placed > counts.cases / 5);
    CHECK(counts.refused < counts.cases);
    CHECK(counts.found_late > counts.gaps / 20);
}
