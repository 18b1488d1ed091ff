// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "net/flow_key.h"
#include "net/parser.h"
#include "net/protocol_numbers.h"

namespace yagura::match {

/// The protocols whose ports libpcap's port tests read.
constexpr bool has_ports(std::uint8_t protocol) {
    return protocol == net::ip_proto::kTcp || protocol == net::ip_proto::kUdp ||
           protocol == net::ip_proto::kSctp;
}

/// What libpcap's address is found in.
enum class Family : std::uint8_t {
    kNone = 0,
    kIpv4 = 1,
    kIpv6 = 2,
    kArp = 4,  ///< ARP and RARP: "host 192.0.2.1" asks their protocol addresses too
};

/// The fields that plain filters ask for, as a program compiled by libpcap sees them: no more and no less
/// than its tests would read. What is beyond the end of the bytes is missing, and no test of it holds.
struct HeaderFields {
    net::IpAddress src{};
    net::IpAddress dst{};
    std::uint16_t sport = 0;
    std::uint16_t dport = 0;
    Family family = Family::kNone;
    std::uint8_t src_size = 0;  ///< bytes of the address that are there
    std::uint8_t dst_size = 0;
    bool has_sport = false;  ///< the protocol has ports, and this is no later fragment
    bool has_dport = false;
    /// protocol[0] is in the IP header; protocol[1] behind an IPv6 fragment header, where libpcap looks too.
    std::array<std::uint8_t, 2> protocol{};
    std::uint8_t protocol_count = 0;
};

/// Of a packet whose key is exact.
HeaderFields fields_of_key(const net::FlowKey& key);
/// Of bytes that a DLT_RAW program is asked of.
HeaderFields fields_of_ip(base::Bytes packet);
/// Of a frame of this link type.
HeaderFields fields_of_frame(base::Bytes frame, net::LinkType link_type);

/// The smallest packet of a flow: what a program that depends on the flow alone is run on.
struct SyntheticHeader {
    std::array<std::uint8_t, 48> bytes{};
    std::uint8_t size = 0;
};
SyntheticHeader synthetic_header(const net::FlowKey& key);

}  // namespace yagura::match
