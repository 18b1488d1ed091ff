// SPDX-License-Identifier: BSD-3-Clause
// Our filters against libpcap's bpf_filter(), over random filters and packets. The seed is fixed, so that a
// failure can be repeated (with the same compiler: arguments are drawn in its order); the fuzz target
// filter_fuzz goes on where this stops.
#include <catch2/catch.hpp>

#include "support/filter_checks.h"

using namespace yagura::test;

namespace {

constexpr std::uint32_t kSeed = 20240229;

template <class Check>
CheckCounts repeat(Check check, unsigned rounds) {
    Choices choices(kSeed);
    CheckCounts counts;
    for (unsigned round = 0; round < rounds; ++round) {
        const std::string wrong = check(choices, counts);
        if (!wrong.empty()) FAIL("seed " << kSeed << ", round " << round << ": " << wrong);
    }
    WARN("seed " << kSeed << ": " << counts.cases << " cases, " << counts.accepted << " accepted, "
                 << counts.per_flow << " per flow, " << counts.refused << " refused by libpcap");
    return counts;
}

}  // namespace

TEST_CASE("native code of random expressions accepts what bpf_filter accepts") {
    const CheckCounts counts = repeat(check_expression, 4000);
    CHECK(counts.cases > 20000);
    CHECK(counts.accepted > counts.cases / 20);
    CHECK(counts.accepted < counts.cases * 19 / 20);
}

TEST_CASE("native code of random programs returns what bpf_filter returns") {
    const CheckCounts counts = repeat(check_program, 10000);
    CHECK(counts.cases == 100000);
    CHECK(counts.accepted > counts.cases / 20);
}

TEST_CASE("a filter that depends on the flow alone gives every exact packet the answer of its key") {
    const CheckCounts counts = repeat(check_per_flow, 3000);
    CHECK(counts.per_flow > 300);
    CHECK(counts.accepted > counts.cases / 20);
    CHECK(counts.accepted < counts.cases * 19 / 20);
}

TEST_CASE("plain filters give what libpcap's programs give, one by one and in a tuple space") {
    const CheckCounts counts = repeat(check_plain, 2000);
    CHECK(counts.cases > 100000);
    CHECK(counts.accepted > counts.cases / 50);
}

TEST_CASE("rule sets find the rules whose programs accept, in packets and in flows") {
    const CheckCounts counts = repeat(check_rules, 400);
    CHECK(counts.cases > 50000);
    CHECK(counts.per_flow > counts.cases / 10);
    CHECK(counts.accepted > counts.cases / 20);
}
