// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "match/filter_text.h"
#include "match/header_fields.h"

namespace yagura::match {

struct PortRange {
    std::uint16_t low = 0;
    std::uint16_t high = 0xffff;
    bool asked = false;  ///< a range that was asked for needs a port to be there, be it 0-65535
    bool holds(std::uint16_t port) const { return port >= low && port <= high; }
    bool is_single() const { return asked && low == high; }
};

struct Prefix {
    net::IpAddress address{};  ///< bits beyond the length are zero
    std::uint8_t length = 0;   ///< 0: not asked for
};

/// A conjunction of tests with known directions: one of the ways to satisfy a plain filter.
struct PlainConjunction {
    std::uint8_t families = 7;  ///< sum of Family values
    std::int16_t protocol = -1;
    Prefix src;
    Prefix dst;
    PortRange sport;
    PortRange dport;
    /// For ports without a protocol, any of the three that have ports will do.
    bool asks_ports() const { return sport.asked || dport.asked; }

    bool matches(const HeaderFields& fields) const;
};

/// An expression without negation, as the ways to satisfy it; no ways when it contradicts itself.
struct PlainFilter {
    std::vector<PlainConjunction> ways;
    /// With "or", the ways say what a program gives only where all fields are there (as in a key): a program
    /// that finds a field missing rejects the packet without trying the rest.
    bool has_or = false;
};

/// Reads an expression of plain terms, joined by "and", "or" and parentheses. Plain terms are
///   ip | ip6 | tcp | udp | sctp | icmp | icmp6 | igmp | esp
///   [ip | ip6] proto N (but for 44)
///   [ip | ip6] [src | dst] [host] ADDRESS
///   [ip | ip6] [src | dst] net ADDRESS/BITS
///   [tcp | udp | sctp] [src | dst] (port N | portrange N-M)
/// with literal addresses and numbers. What libpcap might refuse or read otherwise is not plain: nothing is
/// returned, and libpcap decides. Everything that is plain, libpcap accepts, and means the same by it.
std::optional<PlainFilter> parse_plain_filter(std::span<const Token> tokens);

}  // namespace yagura::match
