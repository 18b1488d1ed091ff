// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/flow_draws.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <map>
#include <memory>

namespace yagura::dataplane {
namespace {

/// A packet is told by its number, in its length.
DrawnPacket numbered(std::uint64_t number) {
    return {.key = {}, .length = static_cast<std::uint32_t>(number)};
}

std::unique_ptr<FlowDraws> draws_of(std::uint64_t packets, std::uint32_t burst, std::uint64_t seed,
                                    std::uint32_t one_in = 1) {
    auto draws = std::make_unique<FlowDraws>();
    draws->reset(seed, one_in);
    for (std::uint64_t begin = 0; begin < packets; begin += burst) {
        const auto count = static_cast<std::uint32_t>(std::min<std::uint64_t>(burst, packets - begin));
        draws->pass(count, [&](std::uint32_t place) { return numbered(begin + place); });
    }
    return draws;
}

TEST_CASE("of as many packets as there is room for each is drawn") {
    const auto draws = draws_of(FlowDraws::kMost, 32, 1);
    REQUIRE(draws->count() == FlowDraws::kMost);
    CHECK(draws->seen() == FlowDraws::kMost);
    CHECK(draws->one_in() == 1);
    for (std::uint32_t i = 0; i < FlowDraws::kMost; ++i) CHECK((*draws)[i].length == i);
}

TEST_CASE("of more at least half the room is kept, in their order") {
    for (const std::uint64_t packets : {FlowDraws::kMost + 1, 3 * FlowDraws::kMost, 1'000'000u}) {
        const auto draws = draws_of(packets, 32, 7);
        CHECK(draws->seen() == packets);
        CHECK(draws->count() >= FlowDraws::kMost / 2);
        for (std::uint32_t i = 1; i < draws->count(); ++i) {
            REQUIRE((*draws)[i - 1].length < (*draws)[i].length);
        }
        CHECK((*draws)[draws->count() - 1].length < packets);
    }
}

TEST_CASE("which are drawn has nothing to do with the bursts") {
    const auto one = draws_of(100'000, 1, 3);
    for (const std::uint32_t burst : {7u, 32u, 64u}) {
        const auto other = draws_of(100'000, burst, 3);
        REQUIRE(other->count() == one->count());
        for (std::uint32_t i = 0; i < one->count(); ++i) REQUIRE((*other)[i].length == (*one)[i].length);
    }
}

TEST_CASE("regular traffic is drawn evenly, from the beginning to the end") {
    // Each class is a sixteenth of the packets; were every n-th drawn, some would have all and others none.
    for (const std::uint32_t one_in : {1u, 64u}) {
        for (std::uint64_t seed = 1; seed <= 5; ++seed) {
            const auto draws = draws_of(1 << 20, 32, seed, one_in);
            std::map<std::uint32_t, unsigned> by_remainder;
            std::map<std::uint32_t, unsigned> by_time;
            for (std::uint32_t i = 0; i < draws->count(); ++i) {
                ++by_remainder[(*draws)[i].length % 16];
                ++by_time[(*draws)[i].length >> 16];
            }
            const double expected = draws->count() / 16.0;
            REQUIRE(by_remainder.size() == 16);
            REQUIRE(by_time.size() == 16);
            // Six standard deviations, and the same lots at each run.
            for (const auto& [remainder, count] : by_remainder)
                CHECK(std::abs(count - expected) < 6 * std::sqrt(expected));
            for (const auto& [time, count] : by_time)
                CHECK(std::abs(count - expected) < 6 * std::sqrt(expected));
        }
    }
}

TEST_CASE("a guess of how many come saves the halvings, and is made good when it was too low") {
    CHECK(draws_of(1 << 20, 32, 1, 512)->one_in() == 512);
    CHECK(draws_of(1 << 20, 32, 1, 1)->one_in() >= 256);
    const auto few = draws_of(1000, 32, 1, 64);
    CHECK(few->count() < 40);
    CHECK(few->seen() == 1000);
}

}  // namespace
}  // namespace yagura::dataplane
