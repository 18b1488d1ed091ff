// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <string>

#include "app/bench/card/traffic_shares.h"

namespace yagura::bench {

/// What the user says of the traffic to come.
struct CardChoice {
    std::string config;
    std::string size = "imix";  ///< as parse_frame_sizes() reads it
    std::string capture;        ///< frames of this file instead; empty: made ones
    std::uint32_t flows = 10'000;
    double hits = 10;  ///< percent of flows that some rule selects
    std::uint32_t packets_per_flow = 20;
    TrafficShares shares;  ///< of packets in tunnels, and of fragments
    bool records = false;
};

}  // namespace yagura::bench
