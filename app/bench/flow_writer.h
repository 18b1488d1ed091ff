// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "net/flow_key.h"
#include "net/parser.h"

namespace yagura::bench {

/// Where in a frame the addresses and ports of its innermost flow stand.
struct FlowPlace {
    std::uint16_t ip;         ///< innermost IP header
    std::uint16_t transport;  ///< net::kNoOffset: ports are not to be written
    std::uint8_t ip_version;
    std::uint8_t proto;
};

/// None for a frame without flow. Ports of TCP and UDP can be written where the
/// header was captured whole, those of SCTP always.
std::optional<FlowPlace> place_of_flow(base::Bytes frame, const net::ParsedPacket& parsed);

/// Writes the key's addresses and ports into the frame, and updates the checksums of the innermost IP and
/// transport headers (RFC 1624): what was right stays right. Checksums of headers around them are left alone,
/// and so is SCTP's, which is of the whole packet.
void write_flow(std::uint8_t* frame, const FlowPlace& place, const net::FlowKey& key);

/// The flow that stands for `key` in the n-th lap: another one in each lap, and both directions of a flow
/// stay the two directions of one. Ports below 1024 stay, so that services do; lap 0 changes nothing.
net::FlowKey flow_in_lap(net::FlowKey key, std::uint64_t lap);

/// The n-th of 2^40 different TCP flows, from the client's side: it talks to port 80 of a server that is
/// `chosen`, else to port 8080.
net::FlowKey made_flow(std::uint64_t n, bool chosen);

/// Of each hundred flows in a row `percent` are chosen, evenly spread.
constexpr bool is_chosen(std::uint64_t flow, unsigned percent) {
    return (flow % 100 + 1) * percent / 100 != flow % 100 * percent / 100;
}

}  // namespace yagura::bench
