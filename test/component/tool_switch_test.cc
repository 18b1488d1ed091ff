// SPDX-License-Identifier: BSD-3-Clause
// A tool is switched for another under traffic, with and without a time in which both get the same.
#include <map>

#include "rules/switch_tool.h"
#include "support/random.h"
#include "support/stepped_run.h"

using namespace yagura;
using base::ToolId;
using test::got;
using test::hash_of_session;
using test::PipelineRun;
using test::SteppedRun;
using test::Traffic;

namespace {

constexpr std::uint64_t kA = 1, kD = 8;
constexpr const char* kRules = R"([{"id": 1, "forward": ["any"]}])";

/// The policy before a switch of a for d, that of the mirror, and that after it.
std::vector<std::shared_ptr<const select::PolicySnapshot>> policies(const PipelineRun& run) {
    const auto rules = run.options.policy->rules;
    rules::Config switched = run.config;
    REQUIRE(rules::switch_tool(switched, ToolId(0), ToolId(3)).ok());
    const auto next =
        select::make_switch_policies(run.config, switched, {.from = ToolId(0), .to = ToolId(3)}, rules);
    return {run.options.policy, next.mirrored, next.switched};
}

/// What a tool may have and has of a run of sessions in turn.
struct Traffics {
    Traffics(unsigned sessions, unsigned rounds) {
        std::vector<Traffic::Session> list;
        for (unsigned i = 0; i < sessions; ++i) list.emplace_back(traffic, i);
        for (unsigned n = 0; n < rounds; ++n) {
            for (auto& session : list) session.talk(1);
        }
    }
    Traffic traffic;
};

}  // namespace

TEST_CASE("after a switch the one has what the other had, and in between both have it") {
    const char* const lcores = GENERATE("rx=0;select=0;tx=0", "rx=0;select=1,2,3;tx=4");
    INFO(lcores);
    constexpr unsigned kSessions = 40;
    const Traffics made(kSessions, 60);
    const Traffic& traffic = made.traffic;
    SteppedRun run(traffic, kRules);
    run.options.plan = test::plan_of(lcores);
    const auto all = policies(run);
    run.start();
    test::Random random(5);
    std::array<std::vector<std::size_t>, 4> expected;
    std::size_t place = 0;
    while (place < traffic.frames.size()) {
        const std::size_t which = random.below(3);
        const std::uint64_t down = random.one_in(3) ? random.below(16) : 0;
        run.pipeline->swap_policy(all[which]);
        run.pipeline->set_down_tools(down);
        const std::size_t end = std::min<std::size_t>(traffic.frames.size(), place + random.between(1, 200));
        for (; place < end; ++place) {
            const std::uint64_t hash =
                hash_of_session(static_cast<unsigned>(place % kSessions), run.options.hash_seed);
            const std::uint64_t before = all[0]->balance_groups[0].pick(hash);
            std::uint64_t tools = before;
            if (before == kA) tools = which == 0 ? kA : which == 1 ? kA | kD : kD;
            REQUIRE(all[which]->balance_groups[0].pick(hash) == tools);
            tools = all[which]->balance_groups[0].pick(hash, down);
            for (std::size_t tool = 0; tool < 4; ++tool) {
                if ((tools >> tool & 1) != 0) expected[tool].push_back(place);
            }
        }
        run.go_to(end);
    }
    const dataplane::Stats stats = run.finish();
    CHECK(stats.lost() == 0);
    CHECK(stats.ports[0].forwarded.packets == traffic.frames.size());
    for (std::size_t tool = 0; tool < 4; ++tool) CHECK(test::sorted(run.places(tool)) == expected[tool]);
}

TEST_CASE("switches under traffic lose and double nothing, and move no other flow") {
    const char* const lcores = GENERATE("rx=0;select=1;tx=2", "rx=0;select=1,2,3;tx=4");
    INFO(lcores);
    constexpr unsigned kSessions = 50;
    const Traffics made(kSessions, 600);
    const Traffic& traffic = made.traffic;
    PipelineRun run(kRules);
    run.options.plan = test::plan_of(lcores);
    run.feed(traffic.frames);
    const auto all = policies(run);
    run.start();
    std::size_t swaps = 0;
    while (!run.pipeline->drained()) run.pipeline->swap_policy(all[++swaps % 3]);
    const dataplane::Stats stats = run.finish();
    CHECK(stats.lost() == 0);
    CHECK(swaps != 0);
    std::vector<std::uint64_t> had(traffic.frames.size());
    for (std::size_t tool = 0; tool < 4; ++tool) {
        std::map<std::size_t, std::size_t> last;
        for (const std::size_t place : got(run, tool, traffic)) {
            CHECK((had[place] >> tool & 1) == 0);
            had[place] |= std::uint64_t{1} << tool;
            const auto [before, first] = last.emplace(place % kSessions, place);
            CHECK((first || before->second < place));
            before->second = place;
        }
    }
    for (std::size_t place = 0; place < had.size(); ++place) {
        const std::uint64_t own = all[0]->balance_groups[0].pick(
            hash_of_session(static_cast<unsigned>(place % kSessions), run.options.hash_seed));
        CAPTURE(place, had[place], own);
        if (own == kA) {
            REQUIRE((had[place] & (kA | kD)) != 0);
            REQUIRE((had[place] & ~(kA | kD)) == 0);
        } else {
            REQUIRE(had[place] == own);
        }
    }
}

TEST_CASE("a switch is at once for flows that are inspected, too, and what is held of them comes whole") {
    const char* const lcores = GENERATE("rx=0;select=0;tx=0", "rx=0;select=1,2;tx=3");
    const bool mirror = GENERATE(false, true);
    INFO(lcores << (mirror ? ", with a mirror" : ""));
    const std::string rules = R"([{"id": 1, "payload": ["first"], "forward": ["any"]},
                                  {"id": 2, "payload": ["second"], "forward": ["b"]}])";
    const auto before = test::policy_of(test::config_with_rules(rules));
    const auto next_of_a = [&](unsigned number) {
        while (before->balance_groups[0].pick(hash_of_session(number, 0)) != kA) ++number;
        return number;
    };
    // Of the one the tool has had the head when it is switched, the other is held.
    Traffic traffic;
    Traffic::Session early(traffic, next_of_a(1));
    Traffic::Session late(traffic, next_of_a(next_of_a(1) + 1));
    early.open().talk(5).client("first").talk(5);
    late.open().talk(5);
    const std::size_t switched = traffic.frames.size();
    early.talk(5);
    late.client("first").talk(5);
    const std::size_t ended = traffic.frames.size();
    early.talk(5);
    late.talk(5);

    SteppedRun run(traffic, rules, test::with_inspect(R"("hold_bytes": "1MiB")"));
    run.options.plan = test::plan_of(lcores);
    const auto all = policies(run);
    run.start();
    run.go_to(switched);
    run.pipeline->swap_policy(all[mirror ? 1 : 2]);
    run.go_to(ended);
    // They are still inspected: another policy ends that.
    if (mirror) run.pipeline->swap_policy(all[2]);
    run.go_to(traffic.frames.size());
    const dataplane::Stats stats = run.finish();
    CHECK(stats.lost() == 0);
    std::vector<std::size_t> of_from;
    std::vector<std::size_t> of_to;
    for (const std::size_t place : early.places()) {
        if (place < switched || (mirror && place < ended)) of_from.push_back(place);
        if (place >= switched) of_to.push_back(place);
    }
    for (const std::size_t place : late.places()) {
        if (mirror && place < ended) of_from.push_back(place);
        of_to.push_back(place);
    }
    CHECK(test::sorted(run.places(0)) == test::sorted(of_from));
    CHECK(test::sorted(run.places(3)) == test::sorted(of_to));
}
