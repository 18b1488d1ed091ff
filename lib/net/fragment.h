// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "net/parser.h"

namespace yagura::net {

/// Where a fragment's data belongs in the whole IP payload (RFC 791, RFC 8200).
struct FragmentPart {
    std::uint32_t id = 0;
    std::uint32_t offset = 0;  ///< in bytes
    std::uint32_t size = 0;    ///< of the data on the wire: as the IP header says
    bool more = false;         ///< more fragments follow
    std::uint8_t proto = 0;    ///< of what the whole begins with; an IPv6 extension header's too
    base::Bytes data;          ///< in the frame; fewer than `size` bytes if a snap length cut it
};

/// Reads the innermost IP header of a fragment again, of which `parsed` is what parse() found: fragments are
/// too rare for a place in every ParsedPacket. Nothing if it is none, or damaged.
std::optional<FragmentPart> read_fragment(base::Bytes frame, const ParsedPacket& parsed);

/// What a transport header at the front of a whole IP payload says, as parse() would have found it there.
struct TransportPart {
    std::uint8_t proto = 0;
    bool sound = false;   ///< the header is whole and its length is no lie
    base::Bytes payload;  ///< empty unless sound
    std::uint32_t tcp_seq = 0;
    std::uint32_t tcp_ack = 0;
    std::uint8_t tcp_flags = 0;
};

/// `proto` is the payload's first header; extension headers are skipped (of IPv4, authentication headers).
/// Tunnels are not entered. A transport that is not known has no header: all is payload.
TransportPart read_transport(std::uint8_t ip_version, std::uint8_t proto, base::Bytes ip_payload);

}  // namespace yagura::net
