// SPDX-License-Identifier: BSD-3-Clause
#include "rules/units.h"

#include <catch2/catch.hpp>
#include <chrono>
#include <optional>
#include <string>

namespace yagura::rules {
namespace {

constexpr std::uint64_t kMost = UINT64_MAX;
struct Row {
    const char* text;
    std::optional<std::uint64_t> value;
};

TEST_CASE("a size is a whole number with a binary or a decimal unit") {
    const Row rows[] = {
        {"0", 0},
        {"4096", 4096},
        {"64KiB", 65536},
        {"1MiB", 1048576},
        {"3GiB", 3221225472},
        {"10kB", 10'000},
        {"10MB", 10'000'000},
        {"2GB", 2'000'000'000},
        {"18446744073709551615", kMost},
        {"17179869183GiB", 17179869183u * (std::uint64_t{1} << 30)},
        {"17179869184GiB", std::nullopt},  // 2^64
        {"18446744073709551616", std::nullopt},
        {"", std::nullopt},
        {"KiB", std::nullopt},
        {"-1", std::nullopt},
        {"+1", std::nullopt},
        {" 1", std::nullopt},
        {"1 KiB", std::nullopt},
        {"1KiB ", std::nullopt},
        {"1.5MiB", std::nullopt},
        {"1e3", std::nullopt},
        {"0x10", std::nullopt},
        {"1K", std::nullopt},
        {"1KB", std::nullopt},
        {"1kib", std::nullopt},
        {"1Mbps", std::nullopt},
        {"unlimited", std::nullopt},
    };
    for (const Row& row : rows) {
        CAPTURE(row.text);
        CHECK(parse_size(row.text) == row.value);
    }
}

TEST_CASE("a rate is a whole number with a decimal unit") {
    const Row rows[] = {
        {"0", 0},
        {"1", 1},
        {"10kbps", 10'000},
        {"250Mbps", 250'000'000},
        {"1Gbps", 1'000'000'000},
        {"400Gbps", 400'000'000'000},
        {"18446744073Gbps", 18446744073'000'000'000u},
        {"18446744074Gbps", std::nullopt},
        {"", std::nullopt},
        {"Gbps", std::nullopt},
        {"1gbps", std::nullopt},
        {"1Kbps", std::nullopt},
        {"2.5Gbps", std::nullopt},
        {"1 Gbps", std::nullopt},
        {"1Gb/s", std::nullopt},
        {"1KiB", std::nullopt},
    };
    for (const Row& row : rows) {
        CAPTURE(row.text);
        CHECK(parse_rate(row.text) == row.value);
    }
}

TEST_CASE("a duration is a number with a unit of time") {
    using std::chrono::nanoseconds;
    struct DurationRow {
        const char* text;
        std::optional<std::int64_t> value;  ///< nanoseconds
    };
    constexpr std::int64_t kSecond = 1'000'000'000;
    const DurationRow rows[] = {
        {"500ms", kSecond / 2},
        {"1ms", 1'000'000},
        {"30s", 30 * kSecond},
        {"030s", 30 * kSecond},
        {"5m", 300 * kSecond},
        {"1h", 3600 * kSecond},
        {"365d", 365 * 86'400 * kSecond},
        {"2.5s", 5 * kSecond / 2},
        {"0.29s", 290'000'000},
        {"300.7d", 25'980'480 * kSecond},
        {"0.000001ms", 1},
        {"0.0000001ms", std::nullopt},  // nothing is left of it
        {"1.0000000009s", kSecond},     // finer than a nanosecond
        {"3200000000s", 3'200'000'000 * kSecond},
        {"3200000001s", std::nullopt},
        {"3200000000.5s", std::nullopt},
        {"9223372036854775807d", std::nullopt},
        {"99999999999999999999s", std::nullopt},
        {"0s", std::nullopt},
        {"0.0h", std::nullopt},
        {"", std::nullopt},
        {"s", std::nullopt},
        {"5", std::nullopt},
        {"-1s", std::nullopt},
        {"+1s", std::nullopt},
        {"1.s", std::nullopt},
        {".5s", std::nullopt},
        {"1.5.5s", std::nullopt},
        {"1,5s", std::nullopt},
        {"1 s", std::nullopt},
        {"1s ", std::nullopt},
        {"1e3s", std::nullopt},
        {"nan s", std::nullopt},
        {"infs", std::nullopt},
        {"1S", std::nullopt},
        {"1min", std::nullopt},
        {"1us", std::nullopt},
    };
    for (const DurationRow& row : rows) {
        CAPTURE(row.text);
        const auto duration = parse_duration(row.text);
        REQUIRE(duration.has_value() == row.value.has_value());
        if (duration) CHECK(duration->count() == *row.value);
    }
}

TEST_CASE("durations are printed in the largest unit that states them exactly") {
    using namespace std::chrono_literals;
    CHECK(duration_json(1ms) == "\"1ms\"");
    CHECK(duration_json(1500ms) == "\"1500ms\"");
    CHECK(duration_json(60s) == "\"1m\"");
    CHECK(duration_json(90s) == "\"90s\"");
    CHECK(duration_json(5400s) == "\"90m\"");
    CHECK(duration_json(3600s) == "\"1h\"");
    CHECK(duration_json(25h) == "\"25h\"");
    CHECK(duration_json(365 * 24h) == "\"365d\"");
}

TEST_CASE("sizes and rates are printed in the largest unit that states them exactly") {
    CHECK(size_json(0) == "0");
    CHECK(size_json(1023) == "1023");
    CHECK(size_json(1024) == "\"1KiB\"");
    CHECK(size_json(1025) == "1025");
    CHECK(size_json(1536) == "1536");
    CHECK(size_json(3u << 19) == "\"1536KiB\"");
    CHECK(size_json(1u << 20) == "\"1MiB\"");
    CHECK(size_json(std::uint64_t{5} << 30) == "\"5GiB\"");
    CHECK(size_json(1'000'000) == "1000000");
    CHECK(size_json(kMost) == "18446744073709551615");
    CHECK(rate_json(999) == "999");
    CHECK(rate_json(1'000) == "\"1kbps\"");
    CHECK(rate_json(2'500'000'000) == "\"2500Mbps\"");
    CHECK(rate_json(10'000'000'000) == "\"10Gbps\"");
    CHECK(rate_json(1'000'001) == "1000001");
}

TEST_CASE("what is printed is read back as the same number") {
    std::uint64_t value = 1;
    for (int i = 0; i < 20'000; ++i) {
        value = value * 6364136223846793005u + 1442695040888963407u;
        const std::uint64_t number = value >> (i % 64);
        for (const std::uint64_t sample :
             {number, number << 10, number << 30, number * 1000, number * 1'000'000'000}) {
            const auto bare = [](std::string json) {
                return json.front() == '"' ? json.substr(1, json.size() - 2) : json;
            };
            // Up to 34 years.
            const std::chrono::milliseconds time(1 + (sample >> 24));
            REQUIRE(parse_duration(bare(duration_json(time))) == time);
            REQUIRE(parse_size(bare(size_json(sample))) == sample);
            REQUIRE(parse_rate(bare(rate_json(sample))) == sample);
        }
    }
}

}  // namespace
}  // namespace yagura::rules
