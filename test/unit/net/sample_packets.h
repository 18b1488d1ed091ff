// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "net/parser.h"

/// One well-formed frame of every shape that the parser knows, and what it should find.
struct SamplePacket {
    std::string name;
    yagura::net::LinkType link = yagura::net::LinkType::kEthernet;
    std::vector<std::uint8_t> frame;

    // Expected. Every sample with a flow has the addresses and ports of sample_flow(), by IP version.
    std::uint8_t ip_version = 4;  ///< 0: no flow
    std::uint8_t proto = 6;
    bool has_ports = true;
    bool exact = true;
    std::size_t outer_ip = 14;
    std::size_t inner_ip = 14;
    std::vector<std::uint16_t> vlans{};
    yagura::net::Tunnel tunnel = yagura::net::Tunnel::kNone;
    std::uint8_t tunnel_depth = 0;
    std::uint32_t tunnel_id = 0;
};

inline constexpr const char* kSource4 = "10.0.0.1";
inline constexpr const char* kTarget4 = "10.0.0.2";
inline constexpr const char* kSource6 = "2001:db8::1";
inline constexpr const char* kTarget6 = "2001:db8::2";
inline constexpr std::uint16_t kSourcePort = 40000;
inline constexpr std::uint16_t kTargetPort = 80;
inline constexpr const char* kPayload = "sample payload";  ///< of every sample but ARP and its like

std::vector<SamplePacket> sample_packets();
