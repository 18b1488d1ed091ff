// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/bytes.h"
#include "net/flow_key.h"

namespace yagura::net {

/// Link types by their LINKTYPE_ number in capture files (tcpdump.org/linktypes.html).
enum class LinkType : std::uint16_t {
    kNull = 0,  ///< BSD loopback: address family in the byte order of the host that captured (both are read)
    kEthernet = 1,
    kRaw = 101,       ///< IPv4 or IPv6 by the version nibble (also DLT values 12 and 14 in old files)
    kLoop = 108,      ///< OpenBSD loopback: address family in network order
    kLinuxSll = 113,  ///< Linux cooked v1
    kIpv4 = 228,
    kIpv6 = 229,
    kLinuxSll2 = 276,  ///< Linux cooked v2
};

/// Why a packet is malformed: the first fault on the way in, from the outside. Names are counters
/// (docs/counters.md).
enum class Malformed : std::uint8_t {
    kNone = 0,
    kTruncatedLink,      ///< the frame ends inside its link header, a tag, a label or the PPPoE header
    kTruncatedIp,        ///< the frame ends inside an IP header or an IPv6 extension header
    kBadIpVersion,       ///< the version nibble contradicts the ethertype
    kBadIpHeaderLength,  ///< IHL below 5, or beyond the total length
    kBadIpTotalLength,   ///< the packet claims more bytes than the frame had on the wire, or fewer than its
                         ///< header
    kBadIpv6Extension,   ///< an extension header chain that runs past the packet, or is too long
    kBadFragment,  ///< a fragment that ends beyond 65,535 bytes, or an inner one with a length not divisible
                   ///< by 8
    kTruncatedTransport,  ///< the frame or the IP packet ends inside the transport header
    kBadTransportHeader,  ///< TCP data offset below 5 or beyond the packet, UDP length below 8 or beyond the
                          ///< packet
    kTruncatedTunnel,     ///< the packet ends inside a tunnel header
    kTooDeep,             ///< more layers than the parser follows
    kCount
};
std::string_view malformed_name(Malformed reason);  ///< "truncated_ip", ...

/// The tunnels that are seen through.
enum class Tunnel : std::uint8_t {
    kNone,
    kGre,
    kPptp,  ///< GRE version 1
    kErspan1,
    kErspan2,  ///< III too
    kVxlan,
    kGeneve,
    kGtpU,
    kIpInIp
};
std::string_view tunnel_name(
    Tunnel tunnel);  ///< "gre" (PPTP too), "erspan", "vxlan", "geneve", "gtp-u", "ipip"; "" for kNone

inline constexpr std::uint16_t kNoOffset = 0xffff;
inline constexpr std::size_t kMaxVlans = 8;
/// Headers within headers (every tag, label, IP header and tunnel header counts) that are followed.
inline constexpr unsigned kMaxLayers = 32;

/// What one pass over a packet's headers finds. Offsets count from the first byte of the frame. Members stand
/// where port::PacketMeta wants them for its cache lines.
struct ParsedPacket {
    /// First IP header: at least one byte is there, with the right version nibble.
    std::uint16_t outer_ip = kNoOffset;
    std::uint16_t inner_ip = kNoOffset;  ///< innermost IP header; equals outer_ip without a tunnel
    /// Transport header; kNoOffset when cut off, or in a later fragment.
    std::uint16_t transport = kNoOffset;
    /// First byte after the transport header (of the IP header, without a transport that is known); in a
    /// later fragment, after the IP header.
    std::uint16_t payload = kNoOffset;
    /// Bytes that are both captured and within the IP packet: no Ethernet padding.
    std::uint32_t payload_size = 0;

    std::uint8_t tcp_flags = 0;
    Malformed malformed = Malformed::kNone;
    Tunnel tunnel = Tunnel::kNone;  ///< the innermost
    std::uint8_t tunnel_depth = 0;
    std::uint8_t vlan_count = 0;  ///< at most kMaxVlans are kept
    bool is_fragment = false;     ///< of the innermost IP packet (offset not 0, or more fragments follow)
    bool first_fragment = false;  ///< offset 0
    /// libpcap's flow tests on the innermost IP packet's bytes give what they give on the key: no fragment,
    /// no IPv6 extension header, ports within the captured bytes.
    bool key_is_exact = false;

    FlowKey key;  ///< ip_version 0: not IP, or the IP header is too damaged to say

    std::array<std::uint16_t, kMaxVlans> vlans{};  ///< VLAN ids, outermost first, of all layers
    /// Of the innermost tunnel: VNI, TEID, GRE key, ERSPAN session; 0 if it has none.
    std::uint32_t tunnel_id = 0;
    std::uint32_t fragment_id = 0;  ///< of a fragment; without one parse() may leave what stood here

    bool operator==(const ParsedPacket&) const = default;
    bool has_flow() const { return key.ip_version != 0; }
};

/// Parses one frame into `out`, whatever stood there. `wire_length` is its length on the wire: with a capture
/// cut by a snap length it is more than frame.size(), and a header that says so is no lie. Reads nothing
/// outside `frame`; never fails: what is wrong is in `malformed`, and all that was found before the fault
/// stays in the result.
///
/// Seen through: any depth (within kMaxLayers) of 802.1Q / 802.1ad tags, VN-Tag, MPLS and its Ethernet
/// pseudowires, PPPoE, LLC with SNAP; tunnels GRE (PPTP too), ERSPAN I, II and III, VXLAN (to UDP port 4789
/// or 8472), GENEVE (6081), GTP-U (2152), IP in IP (4, 41). A fragment's payload is not entered, nor is the
/// packet quoted in an ICMP error.
///
/// A tunnel counts once there is a whole and sound inner IP header in it; until then, and if it carries
/// something else (ARP), the packet around it is the innermost. A UDP port is only a hint: what does not look
/// like the tunnel all the way to that header is plain UDP payload, and no fault. It is the destination's
/// port, because a sender chooses the other one freely.
void parse(base::Bytes frame, std::size_t wire_length, LinkType link_type, ParsedPacket& out);
inline ParsedPacket parse(base::Bytes frame, std::size_t wire_length, LinkType link_type) {
    ParsedPacket out;
    parse(frame, wire_length, link_type, out);
    return out;
}

/// The payload's bytes on the wire, by the innermost IP header of a packet with a payload: payload_size, and
/// what the capture cut.
std::uint32_t payload_wire_size(base::Bytes frame, std::size_t wire_length, const ParsedPacket& parsed);

}  // namespace yagura::net
