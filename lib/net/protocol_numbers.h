// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>

/// The numbers that name the next header, in host order (IANA, IEEE), and the flags of TCP.
namespace yagura::net {

namespace ethertype {
inline constexpr std::uint16_t kMaxLength = 1500;  ///< up to here the field is an IEEE 802.3 length
inline constexpr std::uint16_t kIpv4 = 0x0800;
inline constexpr std::uint16_t kArp = 0x0806;
inline constexpr std::uint16_t kErspan3 = 0x22eb;
inline constexpr std::uint16_t kTransparentEthernet = 0x6558;
inline constexpr std::uint16_t kVlan = 0x8100;  ///< 802.1Q
inline constexpr std::uint16_t kIpv6 = 0x86dd;
inline constexpr std::uint16_t kPpp = 0x880b;
inline constexpr std::uint16_t kMpls = 0x8847;
inline constexpr std::uint16_t kMplsUpstream = 0x8848;  ///< multicast, before RFC 5332
inline constexpr std::uint16_t kPppoeSession = 0x8864;
inline constexpr std::uint16_t kQinQ = 0x88a8;      ///< 802.1ad
inline constexpr std::uint16_t kErspan = 0x88be;    ///< types I and II
inline constexpr std::uint16_t kVnTag = 0x8926;     ///< 802.1Qbh, Cisco
inline constexpr std::uint16_t kOldQinQ = 0x9100;   ///< stacked tags before 802.1ad
inline constexpr std::uint16_t kOldQinQ2 = 0x9200;  ///< the same
}  // namespace ethertype

namespace ip_proto {
inline constexpr std::uint8_t kHopByHop = 0;
inline constexpr std::uint8_t kIcmp = 1;
inline constexpr std::uint8_t kIpv4 = 4;
inline constexpr std::uint8_t kTcp = 6;
inline constexpr std::uint8_t kUdp = 17;
inline constexpr std::uint8_t kDccp = 33;
inline constexpr std::uint8_t kIpv6 = 41;
inline constexpr std::uint8_t kRouting = 43;
inline constexpr std::uint8_t kFragment = 44;
inline constexpr std::uint8_t kGre = 47;
inline constexpr std::uint8_t kEsp = 50;
inline constexpr std::uint8_t kAh = 51;
inline constexpr std::uint8_t kIcmpv6 = 58;
inline constexpr std::uint8_t kNoNext = 59;
inline constexpr std::uint8_t kDestinationOptions = 60;
inline constexpr std::uint8_t kSctp = 132;
inline constexpr std::uint8_t kMobility = 135;
inline constexpr std::uint8_t kUdpLite = 136;
inline constexpr std::uint8_t kHip = 139;
inline constexpr std::uint8_t kShim6 = 140;
}  // namespace ip_proto

/// TCP flag bits (RFC 9293).
namespace tcp_flag {
inline constexpr std::uint8_t kFin = 0x01;
inline constexpr std::uint8_t kSyn = 0x02;
inline constexpr std::uint8_t kRst = 0x04;
inline constexpr std::uint8_t kPsh = 0x08;
inline constexpr std::uint8_t kAck = 0x10;
inline constexpr std::uint8_t kUrg = 0x20;
}  // namespace tcp_flag

namespace udp_port {
inline constexpr std::uint16_t kGtpU = 2152;        ///< 3GPP TS 29.281
inline constexpr std::uint16_t kVxlan = 4789;       ///< RFC 7348
inline constexpr std::uint16_t kGeneve = 6081;      ///< RFC 8926
inline constexpr std::uint16_t kVxlanLinux = 8472;  ///< what Linux used before the port was assigned
}  // namespace udp_port

namespace ppp_proto {
inline constexpr std::uint16_t kIpv4 = 0x0021;
inline constexpr std::uint16_t kIpv6 = 0x0057;
}  // namespace ppp_proto

}  // namespace yagura::net
