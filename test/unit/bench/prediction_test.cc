// SPDX-License-Identifier: BSD-3-Clause
#include "app/bench/card/prediction.h"

#include <algorithm>
#include <catch2/catch.hpp>

namespace yagura::bench {
namespace {

Observation observed(double rx, double select, double tx, Events events = {.fresh = 0.1}) {
    return {.cycles = {rx, select, tx}, .events = events};
}

/// Costs that add up as they should: 100 to receive and look up, 10 for many flows, 200 for each new flow,
/// 30 + 5 for a first tool and 20 + 5 for each further one.
Observations simple() {
    return {.base = observed(60, 40, 0, {}),
            .table = observed(60, 50, 0, {}),
            .fresh = observed(60, 70, 0),
            .copy = observed(60, 100, 5, {.fresh = 0.1, .selected = 1, .copies = 1}),
            .copies = observed(60, 140, 15, {.fresh = 0.1, .selected = 1, .copies = 3})};
}

const Part* find(const std::vector<Part>& parts, Feature feature) {
    const auto found = std::ranges::find(parts, feature, &Part::feature);
    return found == parts.end() ? nullptr : &*found;
}

TEST_CASE("without rules the sum is what was measured with new flows") {
    Observations o = simple();
    o.copy.reset();
    o.copies.reset();
    const auto parts = parts_of(o, {.fresh = 0.1});
    CHECK(sum_of(parts).total() == Approx(130));
    CHECK(find(parts, Feature::kNewFlows)->alone.total() == Approx(200));
    CHECK(find(parts, Feature::kCopy) == nullptr);
    CHECK(find(parts, Feature::kPayload) == nullptr);
}

TEST_CASE("copies are counted by what is selected, first and further ones apart") {
    const auto parts = parts_of(simple(), {.fresh = 0.1, .selected = 0.5, .copies = 1.25});
    CHECK(find(parts, Feature::kCopy)->alone.total() == Approx(35));
    CHECK(find(parts, Feature::kFurtherCopies)->alone.total() == Approx(25));
    CHECK(sum_of(parts).total() == Approx(130 + 0.5 * 35 + 0.75 * 25));
    CHECK(sum_of(parts).tx == Approx(0.5 * 5 + 0.75 * 5));
}

TEST_CASE("what a feature's rules forward is taken out of its cost") {
    Observations o = simple();
    // 8 cycles a packet for the rules, 0.2 packets to one tool each.
    o.flow_rules = observed(60, 70 + 8 + 0.2 * 30, 0.2 * 5, {.fresh = 0.1, .selected = 0.2, .copies = 0.2});
    o.packet_rules = observed(60, 70 + 12, 0);
    const auto parts = parts_of(o, {.fresh = 0.1});
    CHECK(find(parts, Feature::kFlowRules)->alone.total() == Approx(80));
    CHECK(find(parts, Feature::kFlowRules)->cycles().total() == Approx(8));
    CHECK(find(parts, Feature::kPacketRules)->cycles().total() == Approx(12));
}

TEST_CASE("payload is counted by the byte that is scanned, holding by the packet that is held") {
    Observations o = simple();
    o.payload = observed(60, 70 + 300, 0, {.fresh = 0.1, .scanned = 600});
    o.held = observed(60, 70 + 300 + 160, 0, {.fresh = 0.1, .scanned = 600, .held = 0.8});
    const auto parts = parts_of(o, {.fresh = 0.1, .scanned = 60, .held = 0.1});
    CHECK(find(parts, Feature::kPayload)->alone.total() == Approx(0.5));
    CHECK(find(parts, Feature::kPayload)->cycles().total() == Approx(30));
    CHECK(find(parts, Feature::kHold)->alone.total() == Approx(200));
    CHECK(find(parts, Feature::kHold)->cycles().total() == Approx(20));
    // Others forward most of it at once, so that it does not count as held; it is kept all the same.
    const auto forwarded = parts_of(o, {.fresh = 0.1, .scanned = 300, .held = 0.1});
    CHECK(find(forwarded, Feature::kHold)->events == Approx(0.4));
    CHECK(find(parts_of(o, {.fresh = 0.1, .scanned = 60, .held = 0.2}), Feature::kHold)->events ==
          Approx(0.2));
}

TEST_CASE("what a packet is wrapped in is counted by the share of such packets") {
    Observations o = simple();
    Events all;
    all.wrapped[2] = 1;
    o.wrapped[2] = observed(60 + 14, 40 + 1, 0, all);
    Events whole{.fresh = 0.1};
    CHECK(sum_of(parts_of(o, whole)).total() == Approx(130));
    CHECK(find(parts_of(o, whole), feature_of(Wrapping::kMpls))->alone.total() == Approx(15));
    CHECK(find(parts_of(o, whole), feature_of(Wrapping::kVxlan)) == nullptr);
    whole.wrapped[2] = 0.2;
    CHECK(sum_of(parts_of(o, whole)).total() == Approx(130 + 3));
    CHECK(sum_of(parts_of(o, whole)).rx == Approx(60 + 2.8));
}

TEST_CASE("fragments are counted by the fragment, without what is scanned of them") {
    Observations o = simple();
    o.fragments = observed(60 + 20, 70, 0, {.fresh = 0.1, .fragments = 0.1});
    const auto parts = parts_of(o, {.fresh = 0.1, .fragments = 0.05});
    CHECK(find(parts, Feature::kFragment)->alone.total() == Approx(200));
    CHECK(find(parts, Feature::kFragment)->cycles().total() == Approx(10));
    // With payload rules they are put together, and 50 more bytes scanned for 0.5 each.
    o.payload = observed(60, 70 + 300, 0, {.fresh = 0.1, .scanned = 600});
    o.fragments = observed(60 + 20, 70 + 325 + 40, 0, {.fresh = 0.1, .scanned = 650, .fragments = 0.1});
    CHECK(find(parts_of(o, {.fresh = 0.1, .fragments = 0.05}), Feature::kFragment)->alone.total() ==
          Approx(600));
}

TEST_CASE("a tool's limit is counted by the copies to such tools") {
    Observations o = simple();
    o.limited = observed(60, 100 + 12, 5 + 3, {.fresh = 0.1, .selected = 1, .copies = 1, .limited = 1});
    const auto parts = parts_of(o, {.fresh = 0.1, .selected = 0.5, .copies = 1.25, .limited = 0.5});
    CHECK(find(parts, Feature::kLimit)->alone.total() == Approx(15));
    CHECK(find(parts, Feature::kLimit)->cycles().total() == Approx(7.5));
    CHECK(find(parts_of(simple(), {}), Feature::kLimit) == nullptr);
}

TEST_CASE("a response costs something for each packet, and for each new flow") {
    Observations o = simple();
    o.response_lasting = observed(60, 50 + 6, 0, {});
    o.response = observed(60, 70 + 6 + 30, 0);
    const auto parts = parts_of(o, {.fresh = 0.1});
    CHECK(find(parts, Feature::kResponse)->cycles().total() == Approx(6));
    CHECK(find(parts, Feature::kResponseNewFlows)->alone.total() == Approx(300));
    CHECK(sum_of(with_packets_per_flow(parts, 100)).total() == Approx(110 + 2 + 6 + 3));
}

TEST_CASE("a tool that is down costs beside the sum") {
    Observations o = simple();
    CHECK(down_cost(o).total() == 0);
    o.down = observed(60, 100 + 25, 5, {.fresh = 0.1, .selected = 1, .copies = 1});
    CHECK(down_cost(o).total() == Approx(25));
    CHECK(sum_of(parts_of(o, {.fresh = 0.1})).total() == Approx(130));
}

TEST_CASE("nothing that never happened is divided by") {
    Observations o = simple();
    o.base = o.table = o.fresh = observed(60, 70, 0, {});
    o.payload = o.held = o.flow_rules = observed(60, 70, 0, {});
    const auto parts = parts_of(o, {});
    CHECK(sum_of(parts).total() == Approx(130));
}

TEST_CASE("shorter flows weigh what a new flow costs more") {
    const auto parts = parts_of(simple(), {.fresh = 0.1});
    CHECK(sum_of(with_packets_per_flow(parts, 10)).total() == Approx(130));
    CHECK(sum_of(with_packets_per_flow(parts, 2)).total() == Approx(110 + 100));
    CHECK(sum_of(with_packets_per_flow(parts, 1000)).total() == Approx(110 + 0.2));
}

TEST_CASE("the CPU with the most to do is the limit") {
    struct Row {
        const char* what;
        rules::LcoreSpec lcores;
        std::vector<unsigned> cpus;
        std::size_t sources;
        std::size_t tools;
        unsigned cpu;
        double cycles;
        const char* stages;
    };
    // rx 60, select 200, tx 40
    const Row rows[] = {
        {"one for all", {{0}, {0}, {0}}, {0, 1}, 1, 1, 0, 300, "rx and select and tx"},
        {"two", {{0}, {1}, {0}}, {0, 1}, 1, 1, 1, 200, "select"},
        {"select on three", {{0}, {1, 2, 3}, {0}}, {0, 1, 2, 3}, 1, 1, 0, 100, "rx and tx"},
        {"a second rx without a source",
         {{0, 1}, {2, 3, 4, 5}, {6}},
         {0, 1, 2, 3, 4, 5, 6},
         1,
         1,
         0,
         60,
         "rx"},
        {"and with one", {{0, 1}, {2, 3, 4, 5}, {6}}, {0, 1, 2, 3, 4, 5, 6}, 2, 1, 2, 50, "select"},
        {"lcores that share a CPU", {{0}, {1}, {2}}, {5}, 1, 1, 5, 300, "rx and select and tx"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.what);
        const auto plan = dataplane::LcorePlan::make(row.lcores, row.cpus);
        const Bottleneck worst =
            bottleneck_of(plan, {.rx = 60, .select = 200, .tx = 40}, row.sources, row.tools);
        CHECK(worst.cpu == row.cpu);
        CHECK(worst.cycles == Approx(row.cycles));
        CHECK(worst.stages == row.stages);
    }
}

TEST_CASE("select on another CPU costs what it costs beside the same work on one") {
    Observations o = simple();
    const Events whole{.fresh = 0.1, .selected = 0.5, .copies = 0.5};
    CHECK(apart_cost(o, whole).total() == Approx(0));
    o.apart = observed(70, 150, 25);
    CHECK(apart_cost(o, whole).rx == Approx(10));
    CHECK(apart_cost(o, whole).select == Approx(50));
    CHECK(apart_cost(o, whole).tx == Approx(0.5 * 20));
    o.copy.reset();
    CHECK(apart_cost(o, whole).select == Approx(80));
    o.payload = observed(60, 140, 0);
    CHECK(apart_cost(o, whole).select == Approx(10));
}

TEST_CASE("select is apart when no CPU of it has another stage") {
    const auto apart = [](const rules::LcoreSpec& lcores, const std::vector<unsigned>& cpus) {
        return select_is_apart(dataplane::LcorePlan::make(lcores, cpus));
    };
    CHECK(apart({{0}, {1}, {0}}, {0, 1}));
    CHECK(apart({{0}, {1, 2}, {3}}, {0, 1, 2, 3}));
    CHECK_FALSE(apart({{0}, {0}, {0}}, {0, 1}));
    CHECK_FALSE(apart({{0}, {0, 1}, {0}}, {0, 1}));
    CHECK_FALSE(apart({{0}, {1}, {0}}, {0}));
}

}  // namespace
}  // namespace yagura::bench
