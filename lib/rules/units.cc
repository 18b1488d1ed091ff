// SPDX-License-Identifier: BSD-3-Clause
#include "rules/units.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <span>
#include <string_view>
#include <system_error>

namespace yagura::rules {
namespace {

struct Unit {
    std::string_view name;
    std::uint64_t factor;
};

// Largest first, so that the first one that divides is the one to print.
constexpr std::array kBinarySizes{Unit{"GiB", 1u << 30}, Unit{"MiB", 1u << 20}, Unit{"KiB", 1u << 10}};
constexpr std::array kDecimalSizes{Unit{"GB", 1'000'000'000}, Unit{"MB", 1'000'000}, Unit{"kB", 1'000}};
// In nanoseconds.
constexpr std::array kDurations{Unit{"d", 86'400'000'000'000}, Unit{"h", 3'600'000'000'000},
                                Unit{"m", 60'000'000'000}, Unit{"s", 1'000'000'000}, Unit{"ms", 1'000'000}};
constexpr std::uint64_t kLongestDuration = 3'200'000'000'000'000'000;  ///< a good 100 years
constexpr std::array kRates{Unit{"Gbps", 1'000'000'000}, Unit{"Mbps", 1'000'000}, Unit{"kbps", 1'000}};

struct Quantity {
    std::uint64_t number;
    std::string_view unit;
};

/// Digits, then whatever follows. No sign, no space, no fraction.
std::optional<Quantity> split(std::string_view text) {
    Quantity quantity{};
    const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), quantity.number);
    if (error != std::errc{}) return std::nullopt;
    quantity.unit = text.substr(static_cast<std::size_t>(rest - text.data()));
    return quantity;
}

std::optional<std::uint64_t> scaled(const Quantity& quantity, std::span<const Unit> units) {
    for (const Unit& unit : units) {
        if (unit.name != quantity.unit) continue;
        std::uint64_t product = 0;
        if (__builtin_mul_overflow(quantity.number, unit.factor, &product)) return std::nullopt;
        return product;
    }
    return std::nullopt;
}

std::string exact_json(std::uint64_t value, std::span<const Unit> units) {
    for (const Unit& unit : units) {
        if (value != 0 && value % unit.factor == 0) {
            return fmt::format("\"{}{}\"", value / unit.factor, unit.name);
        }
    }
    return fmt::format("{}", value);
}

}  // namespace

std::optional<std::uint64_t> parse_size(std::string_view text) {
    const auto quantity = split(text);
    if (!quantity) return std::nullopt;
    if (quantity->unit.empty()) return quantity->number;
    if (const auto binary = scaled(*quantity, kBinarySizes)) return binary;
    return scaled(*quantity, kDecimalSizes);
}

std::optional<std::uint64_t> parse_rate(std::string_view text) {
    const auto quantity = split(text);
    if (!quantity) return std::nullopt;
    if (quantity->unit.empty()) return quantity->number;
    return scaled(*quantity, kRates);
}

std::optional<std::chrono::nanoseconds> parse_duration(std::string_view text) {
    auto quantity = split(text);
    if (!quantity) return std::nullopt;
    std::string_view fraction;
    if (quantity->unit.starts_with('.')) {
        const std::size_t end = quantity->unit.find_first_not_of("0123456789", 1);
        fraction = quantity->unit.substr(1, end - 1);
        quantity->unit.remove_prefix(std::min(end, quantity->unit.size()));
        if (fraction.empty()) return std::nullopt;
    }
    const auto unit = std::find_if(kDurations.begin(), kDurations.end(),
                                   [&](const Unit& candidate) { return candidate.name == quantity->unit; });
    const auto whole = scaled(*quantity, kDurations);
    if (!whole || *whole > kLongestDuration) return std::nullopt;
    std::uint64_t nanoseconds = *whole;
    std::uint64_t place = unit->factor;
    for (const char digit : fraction) {
        if (place % 10 != 0) break;
        place /= 10;
        nanoseconds += static_cast<std::uint64_t>(digit - '0') * place;
    }
    if (nanoseconds == 0 || nanoseconds > kLongestDuration) return std::nullopt;
    return std::chrono::nanoseconds(static_cast<std::int64_t>(nanoseconds));
}

std::string size_json(std::uint64_t bytes) {
    return exact_json(bytes, kBinarySizes);
}
std::string rate_json(std::uint64_t bits_per_second) {
    return exact_json(bits_per_second, kRates);
}
std::string duration_json(std::chrono::nanoseconds duration) {
    return exact_json(static_cast<std::uint64_t>(duration.count()), kDurations);
}

}  // namespace yagura::rules
