// SPDX-License-Identifier: BSD-3-Clause
// A tool that is offered more than it can take gets whole flows. By a clock of the test's own.
#include "support/limited_run.h"

using namespace yagura;
using dataplane::ToolLimit;
using test::LimitedRun;
using test::TimedTraffic;

namespace {

constexpr std::uint64_t kRate = 8'000'000;  // a megabyte per second
constexpr std::uint64_t kBytesPerMs = kRate / 8000;
constexpr ToolLimit kLimit{.rate = kRate, .queue_packets = 4096, .queue_bytes = 250 * kBytesPerMs};
const char* const kAll = R"([{"id": 1, "forward": ["a", "b"]}])";

std::size_t count_in(const std::vector<unsigned>& flows, unsigned begin, unsigned end) {
    return static_cast<std::size_t>(
        std::ranges::count_if(flows, [&](unsigned flow) { return flow >= begin && flow < end; }));
}

/// Of the flows that the tool was offered every one is whole, cut, or shed, and counted as what it is.
void check_counts(const LimitedRun& run, const LimitedRun::Flows& flows) {
    CHECK(flows.none.size() == run.flows_shed(0));
    CHECK(flows.part.size() == run.flows_cut(0));
}

}  // namespace

TEST_CASE("a tool that is offered ten times its rate gets whole flows, and its rate") {
    const std::size_t lanes = GENERATE(1u, 2u);
    CAPTURE(lanes);
    // 400 flows a second of 25 kB each, half a second long.
    TimedTraffic traffic;
    for (unsigned i = 0; i < 1200; ++i) traffic.add({.begin_ms = i * 5 / 2});
    LimitedRun run(traffic, kAll, {kLimit}, lanes);
    run.run_to(3000);
    const std::uint64_t in_time = run.sent(0).bytes;
    run.run_to(4000);
    const auto flows = run.flows(0);
    check_counts(run, flows);
    CAPTURE(flows.whole.size(), flows.part.size(), flows.none.size(), in_time);
    CHECK(flows.whole.size() > 90);
    // Only in the first moment nobody knew what flows weigh.
    CHECK(flows.part.size() <= 40);
    CHECK(count_in(flows.part, 200, 1200) <= 2);
    CHECK(in_time > 3000 * kBytesPerMs * 8 / 10);
    CHECK(in_time < 3000 * kBytesPerMs * 101 / 100);
    CHECK(run.most_waiting(0).bytes <= kLimit.queue_bytes + lanes * 32 * 500);
    // Nobody else is affected.
    CHECK(run.flows(1).whole.size() == traffic.flows().size());
    run.finish();
}

TEST_CASE("a tool that can take what it is offered gets all, however many begin at once") {
    const unsigned count = GENERATE(10u, 1000u);
    CAPTURE(count);
    // Nine tenths of the rate for two seconds.
    const std::uint64_t interval_us = count * 1'000'000 / 1800;
    TimedTraffic traffic;
    for (unsigned i = 0; i < count; ++i) {
        traffic.add({.begin_ms = i * interval_us / count / 1000,
                     .packets = 3600 / count,
                     .interval_us = interval_us});
    }
    LimitedRun run(traffic, kAll, {kLimit});
    run.run_to(4000);
    CHECK(run.flows_shed(0) == 0);
    CHECK(run.flows_cut(0) == 0);
    CHECK(run.flows(0).whole.size() == count);
    run.finish();
}

TEST_CASE("the more important flows go first") {
    // Half the rate of important flows among ten times the rate of others.
    TimedTraffic traffic;
    std::vector<unsigned> important;
    for (unsigned i = 0; i < 1200; ++i) {
        const bool is_important = i % 20 == 7;
        const unsigned flow =
            traffic.add({.begin_ms = i * 5 / 2, .port = static_cast<std::uint16_t>(is_important ? 443 : 80)});
        if (is_important) important.push_back(flow);
    }
    LimitedRun run(traffic, R"([{"id": 1, "forward": ["a"]},
                                {"id": 2, "filter": "port 443", "forward": ["a"], "priority": 12}])",
                   {kLimit}, GENERATE(1u, 2u));
    run.run_to(4000);
    const auto flows = run.flows(0);
    check_counts(run, flows);
    CAPTURE(run.lanes(), flows.part, count_in(flows.none, 0, 200));
    for (const unsigned flow : important) {
        CAPTURE(flow);
        CHECK(std::ranges::find(flows.whole, flow) != flows.whole.end());
    }
    CHECK(flows.whole.size() > important.size() + 20);
    run.finish();
}

TEST_CASE("for more important flows the newest of the others give way") {
    // Eight flows fill the tool; then come six that matter more, each with a tenth of the rate.
    TimedTraffic traffic;
    for (unsigned i = 0; i < 8; ++i) traffic.add({.begin_ms = 20 * i, .packets = 1000, .interval_us = 5000});
    for (unsigned i = 0; i < 6; ++i)
        traffic.add({.begin_ms = 2000 + 20 * i, .packets = 400, .interval_us = 5000, .port = 443});
    LimitedRun run(traffic, R"([{"id": 1, "forward": ["a"]},
                                {"id": 2, "filter": "port 443", "forward": ["a"], "priority": 9}])",
                   {kLimit});
    run.run_to(6000);
    const auto flows = run.flows(0);
    check_counts(run, flows);
    CHECK(count_in(flows.whole, 8, 14) == 6);
    // Who was cut is newer than who was not.
    const std::size_t kept = count_in(flows.whole, 0, 8);
    CHECK(kept >= 2);
    CHECK(kept < 8);
    for (unsigned flow = 0; flow < kept; ++flow)
        CHECK(std::ranges::find(flows.whole, flow) != flows.whole.end());
    run.finish();
}

TEST_CASE("of flows that all begin at once and are too many, the newest are cut") {
    TimedTraffic traffic;
    for (unsigned i = 0; i < 100; ++i) traffic.add({.packets = 400, .interval_us = 5000});
    LimitedRun run(traffic, kAll, {kLimit});
    run.run_to(4000);
    const auto flows = run.flows(0);
    check_counts(run, flows);
    CAPTURE(flows.whole.size(), flows.part.size(), flows.none.size());
    CHECK(flows.whole.size() >= 5);
    CHECK(flows.whole.size() <= 10);
    for (unsigned flow = 0; flow < flows.whole.size(); ++flow) CHECK(flows.whole[flow] == flow);
    CHECK(run.most_waiting(0).bytes <= kLimit.queue_bytes);
    // The others had their beginning in the first moment alone.
    const auto got = run.got(0);
    for (const unsigned flow : flows.part) CHECK(got.at(flow) < 40);
    run.finish();
}

TEST_CASE("a flow that was refused stays refused when there is room again") {
    TimedTraffic traffic;
    // The first takes what there is, and ends; the second would have had room for most of its life.
    for (unsigned i = 0; i < 10; ++i) traffic.add({.packets = 200, .interval_us = 5000});
    const unsigned late = traffic.add({.begin_ms = 500, .packets = 600, .interval_us = 5000});
    const unsigned later = traffic.add({.begin_ms = 2500, .packets = 100, .interval_us = 5000});
    LimitedRun run(traffic, kAll, {kLimit});
    run.run_to(5000);
    const auto flows = run.flows(0);
    check_counts(run, flows);
    CAPTURE(flows.whole, flows.part, flows.none);
    CHECK(std::ranges::find(flows.none, late) != flows.none.end());
    CHECK(std::ranges::find(flows.whole, later) != flows.whole.end());
    run.finish();
}

TEST_CASE("a flow whose hold is released is shed whole or not at all") {
    // Each says what is looked for in its tenth packet.
    TimedTraffic traffic;
    for (unsigned i = 0; i < 1200; ++i)
        traffic.add({.begin_ms = i * 5 / 2, .packets = 20, .first = "needle", .first_in = 9});
    LimitedRun run(traffic, R"([{"id": 1, "payload": ["needle"], "forward": ["a", "b"]}])", {kLimit},
                   GENERATE(1u, 2u));
    run.run_to(4000);
    const auto flows = run.flows(0);
    check_counts(run, flows);
    CAPTURE(flows.whole.size(), flows.part.size(), flows.none.size());
    CHECK(flows.whole.size() > 150);
    CHECK(flows.part.size() <= flows.whole.size() / 20);
    CHECK(flows.none.size() > 500);
    CHECK(run.flows(1).whole.size() == traffic.flows().size());
    base::Count forwarded;
    base::Count parked;
    base::Count unparked;
    for (std::size_t lane = 0; lane < run.lanes(); ++lane) {
        const auto& port = run.select(lane).counters(base::PortId{});
        forwarded += port.forwarded.get();
        parked += port.parked.get();
        unparked += port.unparked.get();
    }
    CHECK(forwarded.packets == 1200 * 20);
    CHECK(parked == unparked);
    run.finish();
}

TEST_CASE("a tool with a queue and no rate sheds whole flows while it takes nothing") {
    // A third of a second in which it takes nothing, in the middle of two.
    TimedTraffic traffic;
    for (unsigned i = 0; i < 400; ++i) traffic.add({.begin_ms = i * 5, .packets = 20});
    LimitedRun run(traffic, kAll, {{.rate = 0, .queue_packets = 1024}});
    run.run_to(800);
    run.sinks[0]->refuse(true);
    run.run_to(1200);
    run.sinks[0]->refuse(false);
    run.run_to(4000);
    const auto flows = run.flows(0);
    check_counts(run, flows);
    CAPTURE(flows.whole.size(), flows.part.size(), flows.none.size());
    CHECK(flows.none.size() > 20);
    CHECK(flows.whole.size() > 250);
    CHECK(flows.part.size() <= 20);
    CHECK(run.most_waiting(0).packets <= 1024);
    CHECK(run.flows(1).whole.size() == traffic.flows().size());
    run.finish();
}

TEST_CASE("a tool that never takes anything keeps nobody else") {
    TimedTraffic traffic;
    for (unsigned i = 0; i < 200; ++i) traffic.add({.begin_ms = i * 5});
    LimitedRun run(traffic, kAll, {{.rate = 0, .queue_packets = 64}});
    run.sinks[0]->refuse(true);
    run.run_to(3000);
    CHECK(run.sent(0).packets == 0);
    CHECK(run.offered(0).packets == 200 * 50);
    CHECK(run.most_waiting(0).packets <= 64);
    CHECK(run.flows(1).whole.size() == traffic.flows().size());
    run.sinks[0]->refuse(false);
    run.finish();
}

TEST_CASE("packets without a flow go while a new flow might") {
    TimedTraffic traffic;
    const auto arp = net::PacketBuilder().ethernet().arp().build();
    for (unsigned i = 0; i < 50; ++i) traffic.add_frame(20 * i, arp);
    for (unsigned i = 0; i < 10'000; ++i) traffic.add_frame(1000, arp);
    LimitedRun run(traffic, kAll, {{.rate = kRate, .queue_packets = 64}});
    run.run_to(990);
    CHECK(run.sent(0).packets == 50);
    run.run_to(2000);
    CHECK(run.offered(0).packets == 10'050);
    CHECK(run.shed(0).packets >= 10'000 - 64);
    CHECK(run.most_waiting(0).packets <= 64);
    CHECK(run.flows_shed(0) == 0);
    CHECK(run.sent(1).packets == 10'050);
    run.finish();
}

TEST_CASE("without a limit nothing is shed by the flow") {
    TimedTraffic traffic;
    traffic.add({});
    LimitedRun run(traffic, kAll, {});
    run.run_to(100);
    CHECK(run.select(0).shedder().limited() == 0);
    run.finish();
}
