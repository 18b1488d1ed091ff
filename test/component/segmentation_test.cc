// SPDX-License-Identifier: BSD-3-Clause
// Segmentation does not matter: conversations go over the wire in many forms; the sessions that are chosen
// are those that a plain search of the whole payload chooses, and a tool gets them whole.
//
// A failure names a seed. YAGURA_SEED=N runs the batch of that seed alone.
#include <fmt/format.h>

#include <iostream>

#include "support/pipeline_run.h"
#include "support/wire_batch.h"

using namespace yagura;
using test::only_seed;
using test::Way;
using Batch = test::WireBatch;
using Case = test::WireSession;

namespace {

constexpr unsigned kTools = 4;

/// Room for everything: what is tested here holds while no budget is exhausted.
constexpr const char* kRoom = R"(, "inspect": {"flows": 16384, "hold_bytes": "8MiB", "hold_budget": "512MiB",
    "stream_budget": "256MiB", "reorder_bytes": "8MiB"})";

/// What is wrong with a case's packets at one tool; empty when nothing is.
std::string fault_of(const Case& c, bool wanted, const std::vector<std::uint32_t>& got) {
    if (!wanted) return got.empty() ? "" : fmt::format("not chosen, but {} packets came", got.size());
    const auto& expected = c.wire.handed_on;
    for (std::size_t i = 0; i < expected.size(); ++i) {
        if (i == got.size()) {
            return fmt::format("{} of {} packets came; number {} is the first that did not", got.size(),
                               expected.size(), expected[i]);
        }
        if (got[i] != expected[i]) {
            return fmt::format("place {}: packet {} came, not {} ({} of {} came)", i, got[i], expected[i],
                               got.size(), expected.size());
        }
    }
    return got.size() == expected.size() ? ""
                                         : fmt::format("{} packets too many", got.size() - expected.size());
}

/// Runs the batch and checks each case at each tool. Returns how many cases were chosen by some tool.
unsigned check(const Batch& batch, const std::string& lcores, unsigned burst) {
    INFO("YAGURA_SEED=" << batch.seed << ", rules: " << batch.rules->name
                        << (batch.shallow ? ", shallow" : "") << ", lcores " << lcores << ", burst "
                        << burst);
    std::string room = batch.by_payload ? kRoom : "";
    if (batch.shallow)
        room.replace(room.size() - 1, 1, fmt::format(", \"stream_depth\": {}}}", test::kShallow));
    test::PipelineRun run(test::rules_json(batch.rules->rules), 16383, room);
    run.options.plan = test::plan_of(lcores);
    run.options.burst = burst;
    const std::vector<loop::Frame> frames = batch.frames();
    run.feed(frames);
    const dataplane::Stats stats = run.run();
    CHECK(stats.lost() == 0);
    CHECK(stats.untracked == 0);
    CHECK(stats.ports[0].received.packets + stats.ports[1].received.packets == frames.size());

    std::vector<std::string> faults;
    unsigned chosen = 0;
    for (const Case& c : batch.cases) chosen += c.tools != 0;
    for (unsigned tool = 0; tool < kTools; ++tool) {
        std::vector<std::vector<std::uint32_t>> got(batch.cases.size());
        for (const loop::Frame& frame : run.sinks[tool]->frames()) {
            const std::size_t n = frame.timestamp_ns / 1'000 - 1;
            if (n >= frames.size() || frame.bytes != frames[n].bytes || frame.port != frames[n].port ||
                frame.timestamp_ns != frames[n].timestamp_ns || frame.wire_length != frames[n].bytes.size()) {
                faults.push_back(fmt::format("tool {}: a packet that nobody sent, or changed (time {} ns)",
                                             tool, frame.timestamp_ns));
                continue;
            }
            got[batch.order[n].which].push_back(batch.order[n].packet);
        }
        for (std::size_t i = 0; i < batch.cases.size(); ++i) {
            const Case& c = batch.cases[i];
            const std::string fault = fault_of(c, (c.tools >> tool & 1) != 0, got[i]);
            if (!fault.empty())
                faults.push_back(fmt::format("tool {}, {}\n    {}", tool, c.description, fault));
        }
    }
    if (!faults.empty()) {
        std::string text = fmt::format("{} faults:\n", faults.size());
        for (std::size_t i = 0; i < std::min<std::size_t>(faults.size(), 10); ++i) text += faults[i] + "\n";
        FAIL_CHECK(text);
    }
    return chosen;
}

constexpr const char* kPlans[] = {"rx=0;select=0;tx=0", "rx=0;select=1;tx=0", "rx=0;select=1,2;tx=3",
                                  "rx=0;select=1,2,3;tx=4,5"};
constexpr unsigned kBursts[] = {1, 7, 32, 32, 64};

}  // namespace

TEST_CASE("sessions that headers choose are whole, however conversations are cut") {
    static const test::RuleList rules{"headers alone", {{.tool = 'a'}, {.tool = 'b', .way = Way::kToClient}}};
    for (std::uint64_t seed = only_seed().value_or(1); seed < 2'000; seed += 400) {
        for (const char* lcores : kPlans) CHECK(check(test::make_batch(seed, &rules), lcores, 32) > 200);
        if (only_seed()) return;
    }
}

TEST_CASE("the same sessions are chosen, and whole, however conversations are cut") {
    constexpr std::uint64_t kFirstSeed = 1;
    constexpr unsigned kCases = 10'000;
    unsigned cases = 0;
    unsigned chosen = 0;
    for (std::uint64_t seed = only_seed().value_or(kFirstSeed); cases < kCases; ++seed) {
        const Batch batch = test::make_batch(seed);
        test::Random random(~seed);
        const char* plan = random.any_of(kPlans);
        chosen += check(batch, plan, random.any_of(kBursts));
        cases += static_cast<unsigned>(batch.cases.size());
        if (only_seed()) return;
    }
    // Chosen or not: neither is rare.
    CHECK(chosen > cases / 4);
    CHECK(chosen < cases - cases / 4);
    std::cout << cases << " cases, seeds from " << kFirstSeed << '\n';
}

TEST_CASE("sessions are the same whatever the lcores and the burst") {
    // The batches of one list of rules each, in every plan.
    for (std::uint64_t seed = 1'000'000; seed < 1'000'000 + test::rule_lists().size(); ++seed) {
        const Batch batch = test::make_batch(only_seed().value_or(seed));
        for (const char* lcores :
             {"rx=0;select=1;tx=0", "rx=0;select=1,2;tx=3", "rx=0;select=1,2,3;tx=4,5"}) {
            for (const unsigned burst : {1u, 7u, 32u}) check(batch, lcores, burst);
        }
        if (only_seed()) return;
    }
}
