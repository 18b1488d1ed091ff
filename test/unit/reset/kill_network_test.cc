// SPDX-License-Identifier: BSD-3-Clause
// Connections between two models of Linux' TCP, through networks that delay, lose and reorder, are cut.
#include "support/kill_network.h"

#include <catch2/catch.hpp>
#include <vector>

using namespace yagura;
using reset::Outcome;
using reset::Seen;
using test::KillNetwork;
using test::ModelApplication;

namespace {

constexpr std::uint64_t kMs = 1'000'000;
constexpr ModelApplication kBulk{.bulk = true};
constexpr ModelApplication kSaturating{.bulk = true, .in_flight = 44};
constexpr ModelApplication kAnswering{.response = 500};

/// What is cut in every run, both ends, however many seeds there are.
std::vector<KillNetwork> networks() {
    return {
        {.name = "idle",
         .applications = {{{.request_every = 60 * kMs}, kAnswering}},
         .verdict_at = 110 * kMs},
        {.name = "request and response", .applications = {{{.request_every = 3 * kMs}, kAnswering}}},
        {.name = "bulk one way", .applications = {{kBulk, {}}}},
        {.name = "bulk both ways", .applications = {{kBulk, kBulk}}},
        {.name = "bulk both ways, far apart", .applications = {{kBulk, kBulk}}, .leg_delay = 10 * kMs},
        {.name = "a full link one way",
         .applications = {{kSaturating, {}}},
         .leg_delay = 100'000,
         .spacing = 12'000},
        {.name = "a full link both ways",
         .applications = {{kSaturating, kSaturating}},
         .leg_delay = 100'000,
         .spacing = 12'000},
        {.name = "a fast full link both ways",
         .applications = {{kSaturating, kSaturating}},
         .leg_delay = 10'000,
         .spacing = 1'200},
        {.name = "bulk with loss and disorder",
         .applications = {{kBulk, {}}},
         .jitter = 20'000,
         .loss = 0.02},
        {.name = "bulk both ways with loss and much disorder",
         .applications = {{kBulk, kBulk}},
         .jitter = 100'000,
         .loss = 0.02,
         .verdict_at = 300 * kMs},
        {.name = "keep-alive probes", .applications = {{{.keep_alive = 30 * kMs}, {}}}},
        {.name = "half closed", .applications = {{{.close_at = 1050 * kMs}, {.request_every = 5 * kMs}}}},
        {.name = "SYN-SENT", .answers = true, .verdict_at = 60'000},
        {.name = "SYN-RECEIVED", .answers = true, .verdict_at = 120'000},
        {.name = "numbers wrap around",
         .applications = {{{.request_every = 2 * kMs}, kAnswering}},
         .near_wrap = true},
        {.name = "bulk, numbers wrap around", .applications = {{kSaturating, kBulk}}, .near_wrap = true},
        {.name = "a closed window", .applications = {{kBulk, {.reads = false}}}},
        {.name = "an outsider's storm on a quiet connection",
         .applications = {{{.request_every = 30 * kMs}, kAnswering}},
         .spoofed = 3000},
        {.name = "an outsider's storm on a busy one", .applications = {{kBulk, kBulk}}, .spoofed = 3000},
        {.name = "only the client's side is seen",
         .applications = {{{.request_every = 5 * kMs}, kAnswering}},
         .seen = {true, false}},
        {.name = "only the server's side is seen, idle",
         .applications = {{{.request_every = 60 * kMs}, kAnswering}},
         .seen = {false, true},
         .verdict_at = 200 * kMs},
        {.name = "only the client can be reached",
         .applications = {{{.request_every = 5 * kMs}, kAnswering}},
         .frames = {1, 0}},
        {.name = "nothing is known, and nothing comes", .watch_from = 1050 * kMs},
    };
}

}  // namespace

TEST_CASE("every connection dies, and is seen to") {
    constexpr std::uint64_t kSeeds = 100;
    for (const KillNetwork& network : networks()) {
        std::uint32_t most = 0;
        for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
            INFO(network.name << ", seed " << seed);
            const test::KillOutcome outcome = test::run_kill(network, {}, seed);
            REQUIRE(outcome.dead[0]);
            REQUIRE(outcome.dead[1]);
            REQUIRE(outcome.report);
            REQUIRE(reset::outcome_name(outcome.report->outcome) == "verified");
            REQUIRE(outcome.report->cookie == 7);
            REQUIRE(outcome.report->frames == outcome.shots);
            REQUIRE(outcome.report->to_death > 0);
            REQUIRE(outcome.received == 0);
            most = std::max(most, outcome.shots);
        }
        INFO(network.name);
        CHECK(most <= 80);
    }
}

TEST_CASE("a quiet connection costs a handful of frames and one round trip") {
    for (const std::uint64_t leg : {50'000u, 5'000'000u}) {
        KillNetwork network{.applications = {{{.request_every = 90 * kMs}, kAnswering}}, .leg_delay = leg};
        network.verdict_at = 170 * kMs;
        reset::KillSettings settings;
        const test::KillOutcome outcome = test::run_kill(network, settings, 5);
        REQUIRE(outcome.report);
        CHECK(outcome.report->seen == Seen::kBothReset);
        CHECK(outcome.report->to_first_reset == 0);
        CHECK(outcome.report->to_death < 2 * leg + 100'000);
        // Four, and two more for each end whose probe overtook its RST; while an answer is on its way, it is
        // tried again.
        CHECK(outcome.shots <= (leg < kMs ? 8u : 16u));
    }
}

TEST_CASE("with heavy loss no outcome is a lie") {
    KillNetwork network{.applications = {{{.request_every = 5 * kMs}, kAnswering}}};
    network.loss = 0.2;
    network.tap_loss = 0.2;
    network.verdict_at = 500 * kMs;
    unsigned verified = 0;
    for (std::uint64_t seed = 1; seed <= 300; ++seed) {
        INFO("seed " << seed);
        const test::KillOutcome outcome = test::run_kill(network, {}, seed);
        REQUIRE(outcome.report);
        if (outcome.report->outcome != Outcome::kVerified) continue;
        ++verified;
        // Nothing gets through any more: one end's socket is gone, and what is said to be both is both.
        REQUIRE((outcome.dead[0] || outcome.dead[1]));
        if (outcome.report->seen == Seen::kBothReset) REQUIRE((outcome.dead[0] && outcome.dead[1]));
        REQUIRE(outcome.received == 0);
    }
    CHECK(verified > 285);
}

TEST_CASE("ends that say nothing prove nothing, though they are dead") {
    KillNetwork network{.applications = {{{.request_every = 60 * kMs}, kAnswering}}};
    network.verdict_at = 110 * kMs;
    network.firewall = true;
    test::KillOutcome outcome = test::run_kill(network, {}, 1);
    CHECK((outcome.dead[0] && outcome.dead[1]));
    REQUIRE(outcome.report);
    CHECK(reset::outcome_name(outcome.report->outcome) == "unverified");
    CHECK(reset::seen_name(outcome.report->seen) == "silence");

    // Nor does one that is not asked.
    network.firewall = false;
    reset::KillSettings settings;
    settings.probe = false;
    outcome = test::run_kill(network, settings, 1);
    CHECK((outcome.dead[0] && outcome.dead[1]));
    REQUIRE(outcome.report);
    CHECK(reset::outcome_name(outcome.report->outcome) == "unverified");
}

TEST_CASE("what cannot be reached lives, and it is said so") {
    KillNetwork network{.applications = {{{.request_every = 5 * kMs}, kAnswering}}};
    network.frames = {0, 0};
    const test::KillOutcome outcome = test::run_kill(network, {}, 1);
    CHECK(outcome.started == Outcome::kNoPath);
    CHECK(outcome.shots == 0);
    CHECK_FALSE((outcome.dead[0] || outcome.dead[1]));
}
