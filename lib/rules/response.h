// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "net/flow_key.h"
#include "net/mac_address.h"

namespace yagura::rules {

/// Addresses by a prefix; host bits are zero.
struct IpPrefix {
    net::IpAddress address{};
    std::uint8_t ip_version = 0;  ///< 4 or 6
    std::uint8_t length = 0;      ///< bits: at most 32 or 128
    bool operator==(const IpPrefix&) const = default;
};

/// Whether connections are cut, and within what bounds. What it is at the start of a run it stays.
struct Response {
    bool enabled = false;                    ///< false: no frame of our own is ever sent
    bool dry_run = false;                    ///< verdicts are taken and told, nothing is sent
    std::vector<IpPrefix> never_prefixes;    ///< of whom no connection is ever cut; no two are the same
    std::vector<std::uint16_t> never_ports;  ///< likewise; of TCP, UDP and SCTP
    std::string stop_file;    ///< absolute path: while it exists nothing is sent; empty: there is none
    std::string blocks_file;  ///< absolute path: where what is blocked is kept; empty: it is not
    std::uint32_t blocks_capacity = 1'000'000;
    std::uint32_t kills = 4096;                ///< connections that are being cut at a time, on all lcores
    std::uint32_t frames_per_second = 20'000;  ///< of our own, on all lcores
    bool from_tools = true;  ///< a RST or an ICMP "unreachable" that a tool sends into its port is a verdict
    bool operator==(const Response&) const = default;
};

/// Addresses of frames of ours into a routed network. Both are unicast.
struct Route {
    net::MacAddress own_mac{};
    net::MacAddress next_hop{};
    bool operator==(const Route&) const = default;
};

/// Of a flow that a rule has matched. Source and destination are those of the packet that opened it.
enum class BlockWhat : std::uint8_t { kConnection, kSource, kDestination };

/// What a rule adds to the list of what is blocked.
struct BlockAction {
    BlockWhat what = BlockWhat::kConnection;
    std::optional<std::chrono::nanoseconds> ttl{};  ///< whole milliseconds; none: for good
    bool operator==(const BlockAction&) const = default;
};

}  // namespace yagura::rules
