// SPDX-License-Identifier: BSD-3-Clause
#include "app/bench/card/traffic_shares.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <numeric>
#include <set>

namespace yagura::bench {
namespace {

constexpr std::string_view kFragments = "fragments";

/// Where the share of this kind is kept; null: there is no such kind.
double* share_of(TrafficShares& shares, std::string_view kind) {
    if (kind == kFragments) return &shares.fragments;
    for (std::size_t i = 0; i < kWrappings; ++i) {
        if (kWrappingNames[i] == kind) return &shares.wrapped[i];
    }
    return nullptr;
}

base::Result<double> parse_percent(std::string_view text) {
    double percent = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), percent);
    // The comparison is false of what is not a number, too.
    const bool right =
        error == std::errc{} && end == text.data() + text.size() && percent >= 0 && percent <= 100;
    if (!right) return base::Error{fmt::format("\"{}\" is no percentage from 0 to 100", text)};
    return percent;
}

}  // namespace

double TrafficShares::bare() const {
    return std::max(0.0, 1 - std::accumulate(wrapped.begin(), wrapped.end(), 0.0));
}

base::Result<TrafficShares> parse_traffic_shares(std::string_view text) {
    TrafficShares shares;
    std::set<std::string_view> named;
    double together = 0;
    for (std::string_view rest = text;;) {
        const std::string_view one = rest.substr(0, rest.find(','));
        const std::size_t equals = one.find('=');
        if (equals == one.npos) {
            return base::Error{fmt::format(
                "\"{}\" has no share; write percent of packets, as in vxlan=20,fragments=1", one)};
        }
        const std::string_view kind = one.substr(0, equals);
        double* const share = share_of(shares, kind);
        if (share == nullptr) {
            return base::Error{fmt::format("\"{}\" is no kind of packet; there are {} and {}", kind,
                                           fmt::join(kWrappingNames, ", "), kFragments)};
        }
        if (!named.insert(kind).second) return base::Error{fmt::format("{} has two shares", kind)};
        const auto percent = parse_percent(one.substr(equals + 1));
        if (!percent) return base::Error{fmt::format("{}: {}", kind, percent.error().message)};
        *share = *percent / 100;
        if (kind != kFragments) together += *percent;
        if (one.size() == rest.size()) break;
        rest.remove_prefix(one.size() + 1);
    }
    if (together > 100) {
        return base::Error{fmt::format("{} are {:g} % together; each packet is in one of them at most",
                                       fmt::join(kWrappingNames, ", "), together)};
    }
    return shares;
}

}  // namespace yagura::bench
