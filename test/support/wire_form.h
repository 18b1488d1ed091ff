// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "net/packet_builder.h"
#include "support/conversation.h"

namespace yagura::test {

/// How a conversation goes over the wire.
struct WireForm {
    enum class Cut : std::uint8_t { kByte, kSmall, kRandom, kMss, kOffload };  ///< Offload: up to 60,000
    enum class Outside : std::uint8_t { kNothing, kVlan, kTwoVlans, kMpls, kVxlan, kGtpU, kVlanVxlan };
    enum class End : std::uint8_t { kNone, kFin, kFinWithData, kReset };
    enum class Sides : std::uint8_t { kBoth, kClientOnly, kServerOnly };  ///< whose packets are seen

    Cut cut = Cut::kMss;
    bool cut_needles = false;      ///< borders are put inside the words
    std::uint32_t window = 0;      ///< a segment comes at most so many places late, within its direction
    std::uint32_t duplicates = 0;  ///< one in so many packets comes again, 0: none
    std::uint32_t overlaps = 0;    ///< one in so many segments begins too early or ends too late
    bool conflicts = false;        ///< what comes again has other bytes
    std::uint32_t fragments = 0;   ///< one in so many packets is cut into IP fragments, in any order
    Outside outside = Outside::kNothing;
    bool handshake = true;      ///< without: picked up in the middle
    bool simultaneous = false;  ///< both directions talk at once
    bool keep_alives = false;
    End end = End::kFin;
    Sides sides = Sides::kBoth;

    std::string to_string() const;
};

/// A form that the conversation allows (1-byte segments only of short ones, and so on).
WireForm make_form(const Conversation& conversation, Random& random);

/// Addresses and ports of one conversation.
struct Endpoints {
    net::IpAddress client{}, server{};
    std::uint16_t client_port = 0, server_port = 0;
    std::uint16_t first_ip_id = 1;  ///< of fragments: not used again soon between the same two
};
/// Those of conversation `number`, no two alike; up to 2^24.
Endpoints endpoints_of(std::uint32_t number, std::uint8_t ip_version, std::uint16_t server_port);

/// A conversation as packets.
struct WireCase {
    struct Packet {
        std::vector<std::uint8_t> frame;
        Way way;
    };
    std::vector<Packet> packets;  ///< in the order of the wire
    /// Indices of packets in the order in which rx hands them on: a fragment that came before its first one
    /// comes right after it.
    std::vector<std::size_t> handed_on;
    /// What a host reads that keeps the byte that came first.
    Payload seen;
};
WireCase make_wire(const Conversation& conversation, const WireForm& form, const Endpoints& endpoints,
                   Random& random);

}  // namespace yagura::test
