// SPDX-License-Identifier: BSD-3-Clause
// Tools that go down under traffic: flows move to those that stand in for them and come back, and every
// packet is somewhere once.
#include <bit>
#include <map>
#include <set>

#include "support/random.h"
#include "support/stepped_run.h"

using namespace yagura;
using test::got;
using test::hash_of_session;
using test::PipelineRun;
using test::SteppedRun;
using test::Traffic;

namespace {

constexpr std::uint64_t kA = 1, kB = 2, kC = 4;

/// A session that the group "any" gives to this tool while all are up.
unsigned session_of(std::uint64_t tool, const select::PolicySnapshot& policy, std::uint64_t seed) {
    for (unsigned number = 1;; ++number) {
        if (policy.balance_groups[0].pick(hash_of_session(number, seed)) == tool) return number;
    }
}

}  // namespace

TEST_CASE("flows go where the reference says, whatever is up or down, on any lcores") {
    const char* const lcores =
        GENERATE("rx=0;select=0;tx=0", "rx=0;select=1;tx=2", "rx=0;select=1,2,3;tx=4,5");
    INFO(lcores);
    constexpr unsigned kSessions = 60;
    constexpr std::size_t kSteps = 40;
    test::Random random(11);
    Traffic traffic;
    std::vector<Traffic::Session> sessions;
    for (unsigned i = 0; i < kSessions; ++i) sessions.emplace_back(traffic, i);
    std::vector<unsigned> session_at;  // by place
    std::vector<std::size_t> ends;
    for (std::size_t step = 0; step < kSteps; ++step) {
        for (unsigned n = random.between(1, 150); n > 0; --n) {
            const unsigned i = random.below(kSessions);
            sessions[i].talk(1);
            session_at.push_back(i);
        }
        ends.push_back(traffic.frames.size());
    }
    SteppedRun run(traffic, R"([{"id": 1, "forward": ["any"]}])");
    run.options.plan = test::plan_of(lcores);
    run.start();
    std::array<std::vector<std::size_t>, 4> expected;
    std::size_t place = 0;
    for (const std::size_t end : ends) {
        const std::uint64_t down = random.below(16);
        run.pipeline->set_down_tools(down);
        for (; place < end; ++place) {
            const std::uint64_t hash = hash_of_session(session_at[place], run.options.hash_seed);
            const std::uint64_t tool = run.pipeline->policy().balance_groups[0].pick(hash, down);
            expected[static_cast<std::size_t>(std::countr_zero(tool))].push_back(place);
        }
        run.go_to(end);
    }
    const dataplane::Stats stats = run.finish();
    CHECK(stats.lost() == 0);
    CHECK(stats.ports[0].forwarded.packets == traffic.frames.size());
    for (std::size_t tool = 0; tool < 4; ++tool) {
        const auto places = run.places(tool);
        CHECK(test::sorted(places) == expected[tool]);
        std::map<unsigned, std::size_t> last;
        for (const std::size_t p : places) {
            const auto [before, first] = last.emplace(session_at[p], p);
            CHECK((first || before->second < p));
            before->second = p;
        }
    }
    CHECK(expected[0].size() + expected[1].size() + expected[2].size() == traffic.frames.size());
}

TEST_CASE("tools that go down and up under traffic lose and double nothing") {
    const char* const lcores = GENERATE("rx=0;select=1;tx=2", "rx=0;select=1,2,3;tx=4");
    INFO(lcores);
    constexpr unsigned kSessions = 50;
    Traffic traffic;
    std::vector<Traffic::Session> sessions;
    for (unsigned i = 0; i < kSessions; ++i) sessions.emplace_back(traffic, i);
    for (unsigned n = 0; n < 600; ++n) {
        for (auto& session : sessions) session.talk(1);
    }
    PipelineRun run(R"([{"id": 1, "forward": ["any"]}])");
    run.options.plan = test::plan_of(lcores);
    run.feed(traffic.frames);
    run.start();
    test::Random random(3);
    unsigned changes = 0;
    while (!run.pipeline->drained()) {
        run.pipeline->set_down_tools(random.below(4));
        ++changes;
    }
    const dataplane::Stats stats = run.finish();
    CHECK(stats.lost() == 0);
    std::vector<unsigned> times(traffic.frames.size());
    std::vector<std::set<std::size_t>> tools(kSessions);
    for (std::size_t tool = 0; tool < 4; ++tool) {
        std::map<unsigned, std::size_t> last;
        for (const std::size_t place : got(run, tool, traffic)) {
            const unsigned session = static_cast<unsigned>(place % kSessions);
            ++times[place];
            tools[session].insert(tool);
            const auto [before, first] = last.emplace(session, place);
            CHECK((first || before->second < place));
            before->second = place;
        }
    }
    CHECK(std::ranges::all_of(times, [](unsigned n) { return n == 1; }));
    unsigned moved = 0;
    for (unsigned i = 0; i < kSessions; ++i) {
        const std::uint64_t own =
            run.pipeline->policy().balance_groups[0].pick(hash_of_session(i, run.options.hash_seed));
        // c was never down: whose it was stayed there.
        if (own == kC) CHECK(tools[i] == std::set<std::size_t>{2});
        moved += tools[i].size() > 1 ? 1 : 0;
    }
    CHECK(changes > 2);
    CHECK(moved > 0);
}

TEST_CASE("what was held goes once to each, whoever stood in for whom meanwhile") {
    const char* const lcores = GENERATE("rx=0;select=0;tx=0", "rx=0;select=1,2;tx=3");
    INFO(lcores);
    const std::string rules = R"([{"id": 1, "payload": ["first"], "forward": ["any"]},
                                  {"id": 2, "payload": ["second"], "forward": ["b"]},
                                  {"id": 3, "payload": ["third"], "forward": ["c"]}])";
    const auto policy = test::policy_of(test::config_with_rules(rules));
    // Of a flow that is a's, and then b's.
    unsigned number = session_of(kA, *policy, 0);
    while (policy->balance_groups[0].pick(hash_of_session(number, 0)) != kA ||
           policy->balance_groups[0].pick(hash_of_session(number, 0), kA) != kB)
        ++number;
    Traffic traffic;
    Traffic::Session session(traffic, number);
    session.open().talk(10).client("first").talk(10);
    const std::size_t first = traffic.frames.size();
    session.client("second").talk(10);
    const std::size_t second = traffic.frames.size();
    session.talk(10);
    const std::size_t third = traffic.frames.size();
    session.client("third").talk(5);

    SteppedRun run(traffic, rules, test::with_inspect(R"("hold_bytes": "1MiB")"));
    run.options.plan = test::plan_of(lcores);
    run.start();
    run.pipeline->set_down_tools(kA);
    run.go_to(first);   // b has it all, for a
    run.go_to(second);  // b has it all for itself too: nothing goes to it again
    run.pipeline->set_down_tools(0);
    run.go_to(third);  // a has what came since it is back
    run.go_to(traffic.frames.size());
    const dataplane::Stats stats = run.finish();
    CHECK(stats.lost() == 0);
    const auto all = session.places();
    CHECK(run.places(1) == all);
    CHECK(run.places(2) == all);
    CHECK(run.places(0) ==
          std::vector<std::size_t>(all.begin() + static_cast<std::ptrdiff_t>(second), all.end()));
}

TEST_CASE("flows that are let go for want of room are given to who stands in") {
    Traffic traffic;
    std::vector<Traffic::Session> sessions;
    for (unsigned i = 0; i < 60; ++i) sessions.emplace_back(traffic, i).open().talk(30, 1000);
    for (auto& session : sessions) session.talk(2);
    SteppedRun run(traffic, R"([{"id": 1, "payload": ["needle"], "forward": ["any"]},
                                {"id": 2, "payload": ["thread"], "forward": ["d"]}])",
                   test::with_inspect(R"("hold_budget": "1MiB", "when_short": "forward")"));
    run.start();
    run.pipeline->set_down_tools(kA);
    run.go_to(traffic.frames.size());
    const dataplane::Stats stats = run.finish();
    CHECK(stats.let_go > 20);
    CHECK(stats.hold_refused == 0);
    CHECK(stats.lost() == 0);
    CHECK(stats.tools[0].offered.packets == 0);
    // Whoever was let go is given whole, to d and to one of the group.
    std::vector<std::size_t> of_group = run.places(1);
    std::ranges::copy(run.places(2), std::back_inserter(of_group));
    CHECK(test::sorted(of_group) == test::sorted(run.places(3)));
    CHECK(of_group.size() == 34 * stats.let_go);
    CHECK(run.places(1).size() > 34);
    CHECK(run.places(2).size() > 34);
}

TEST_CASE("flows that are listed are listed with those that get them") {
    Traffic traffic;
    Traffic::Session session(traffic, 9);
    session.open().talk(2);
    SteppedRun run(traffic, R"([{"id": 1, "forward": ["any"]}])");
    run.start();
    run.go_to(traffic.frames.size() - 1);
    const std::uint64_t own = run.pipeline->policy().balance_groups[0].pick(hash_of_session(9, 0));
    const auto listed = [&] {
        dataplane::FlowPage page;
        while (!run.pipeline->ask_flows(0, page)) test::sleep_ms(1);
        while (!page.done.load(std::memory_order_acquire)) test::sleep_ms(1);
        REQUIRE(page.count == 1);
        return page.samples[0].tools;
    };
    CHECK(listed() == own);
    run.pipeline->set_down_tools(own);
    CHECK(listed() == run.pipeline->policy().balance_groups[0].pick(hash_of_session(9, 0), own));
    run.pipeline->set_down_tools(0);
    CHECK(listed() == own);
    run.go_to(traffic.frames.size());
    run.finish();
}
