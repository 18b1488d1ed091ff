// SPDX-License-Identifier: BSD-3-Clause
#include "broker/config_versions.h"

#include <catch2/catch.hpp>

namespace yagura::broker {
namespace {

void add(ConfigVersions& versions, std::uint64_t number, std::size_t bytes) {
    versions.add({.version = number,
                  .since = {},
                  .origin = {.action = "rules.load"},
                  .rules = 1,
                  .text = std::make_shared<const std::string>(bytes, 'x')});
}

TEST_CASE("the last versions are kept, and no more") {
    ConfigVersions versions;
    for (std::uint64_t number = 1; number <= 20; ++number) add(versions, number, 10);
    CHECK(versions.all().size() == ConfigVersions::kMost);
    CHECK(versions.all().front().version == 5);
    CHECK(versions.all().back().version == 20);
    CHECK(versions.find(4) == nullptr);
    CHECK(versions.find(21) == nullptr);
    REQUIRE(versions.find(5) != nullptr);
    CHECK(versions.find(5)->text != nullptr);
}

TEST_CASE("texts that are too long together are let go, the oldest first, the newest never") {
    ConfigVersions versions;
    constexpr std::size_t kThird = ConfigVersions::kMaxBytes / 3;
    for (std::uint64_t number = 1; number <= 4; ++number) add(versions, number, kThird);
    CHECK(versions.find(1)->text == nullptr);
    for (const std::uint64_t number : {2, 3, 4}) CHECK(versions.find(number)->text != nullptr);
    add(versions, 5, 2 * ConfigVersions::kMaxBytes);
    for (const std::uint64_t number : {1, 2, 3, 4}) CHECK(versions.find(number)->text == nullptr);
    REQUIRE(versions.find(5)->text != nullptr);
    CHECK(versions.find(5)->text->size() == 2 * ConfigVersions::kMaxBytes);
}

}  // namespace
}  // namespace yagura::broker
