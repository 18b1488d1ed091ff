// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace yagura::bench {

/// What stands in front of the packets of a flow, besides Ethernet.
enum class Wrapping : std::uint8_t {
    kVlan,   ///< a tag
    kQinq,   ///< two tags
    kMpls,   ///< two labels
    kVxlan,  ///< over IPv4
    kGre,    ///< over IPv4
    kGtpU,   ///< over IPv4
    kCount,
    kNone = kCount,
};
inline constexpr std::size_t kWrappings = static_cast<std::size_t>(Wrapping::kCount);
/// By Wrapping, as a user writes them.
inline constexpr std::array<std::string_view, kWrappings> kWrappingNames{"vlan",  "qinq", "mpls",
                                                                         "vxlan", "gre",  "gtp-u"};

/// Of the packets to come, which shares (0 to 1) are wrapped in something, and which share are fragments of
/// IPv4 or IPv6. The two are independent of each other.
struct TrafficShares {
    std::array<double, kWrappings> wrapped{};  ///< by Wrapping; 1 at most together
    double fragments = 0;

    /// Of packets in nothing.
    double bare() const;
    auto operator<=>(const TrafficShares&) const = default;
};

/// From percent: "vxlan=20,fragments=1". What is not named is 0.
base::Result<TrafficShares> parse_traffic_shares(std::string_view text);

}  // namespace yagura::bench
