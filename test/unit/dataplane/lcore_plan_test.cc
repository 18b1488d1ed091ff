// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/lcore_plan.h"

#include <catch2/catch.hpp>

using Catch::Matchers::Contains;
using yagura::dataplane::LcorePlan;
using yagura::dataplane::parse_lcores;

TEST_CASE("auto gives stages CPUs of their own as far as there are any") {
    struct Row {
        std::vector<unsigned> cpus;
        const char* plan;
    };
    const auto row = GENERATE(values<Row>({{{0}, "rx=0;select=0;tx=0"},
                                           {{0, 1}, "rx=0;select=1;tx=0"},
                                           {{2, 3, 5}, "rx=0;select=1;tx=2"},
                                           {{0, 1, 2, 3, 4, 5}, "rx=0;select=1,2,3,4;tx=5"}}));
    const LcorePlan plan = LcorePlan::make({}, row.cpus);
    CHECK(plan.to_string() == row.plan);
    for (std::size_t i = 0; i < plan.lcores.size(); ++i) {
        CHECK(plan.lcores[i].cpu == row.cpus[i]);
        CHECK_FALSE(plan.lcores[i].shares_cpu);
    }
}

TEST_CASE("a plan may have more lcores than there are CPUs: they share") {
    auto spec = parse_lcores("rx=0;select=1,2,3;tx=9");
    REQUIRE(spec.ok());
    const LcorePlan plan = LcorePlan::make(*spec, {0, 1});
    REQUIRE(plan.lcores.size() == 5);
    for (const auto& lcore : plan.lcores) CHECK(lcore.cpu < 2);
    CHECK(plan.lcores[0].cpu == 0);
    CHECK(plan.lcores[1].cpu == 1);
    CHECK(plan.lcores[0].shares_cpu);
    CHECK(plan.eal_lcores({0, 1}) == "0@0,1@1,2@0,3@1,9@0,127@(0,1)");
}

TEST_CASE("--lcores that is wrong says where") {
    struct Row {
        const char* text;
        const char* words;
    };
    const auto row = GENERATE(values<Row>({{"", "names no stage"},
                                           {"rx=0", "has no lcore"},
                                           {"rx=0;select=1", "tx has no lcore"},
                                           {"rx=0;select=1;tx=x", "\"x\" is not an lcore"},
                                           {"rx=0;select=1;tx=127", "0 to 126"},
                                           {"rx=0;select=1;tx=-1", "\"-1\""},
                                           {"rx=0;select=1,1;tx=0", "twice"},
                                           {"rx=0;rx=1;select=1;tx=0", "rx is given twice"},
                                           {"rx=0;select=;tx=0", "\"\" is not an lcore"},
                                           {"rx:0;select=1;tx=0", "\"rx:0\" names no stage"},
                                           {"rx=0;select=1;tx=0;", "\"\" names no stage"}}));
    const auto spec = parse_lcores(row.text);
    REQUIRE_FALSE(spec.ok());
    CHECK_THAT(spec.error().message, Contains(row.words) && Contains("rx=0;select=1,2;tx=0"));
}

TEST_CASE("auto is a plan") {
    auto spec = parse_lcores("auto");
    REQUIRE(spec.ok());
    CHECK(spec.value().is_auto());
}

TEST_CASE("lcores without a CPU of their number take those that no other lcore owns") {
    auto spec = parse_lcores("rx=0;select=5;tx=0");
    REQUIRE(spec.ok());
    const LcorePlan plan = LcorePlan::make(*spec, {0, 1});
    CHECK(plan.lcores[0].cpu == 0);
    CHECK(plan.lcores[1].cpu == 1);
    CHECK_FALSE(plan.lcores[0].shares_cpu);
}

TEST_CASE("the control thread keeps off the CPUs of the lcores where others are left") {
    auto spec = parse_lcores("rx=0;select=1;tx=0");
    REQUIRE(spec.ok());
    CHECK(LcorePlan::make(*spec, {0, 1, 2, 3}).eal_lcores({0, 1, 2, 3}) == "0@0,1@1,127@(2,3)");
    CHECK(LcorePlan::make(*spec, {0, 1}).eal_lcores({0, 1}) == "0@0,1@1,127@(0,1)");
}
