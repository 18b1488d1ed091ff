// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "net/packet_builder.h"
#include "net/parser.h"
#include "reset/refusal.h"

namespace yagura::reset {

/// How a frame of our own is addressed on the network that it goes into.
struct LinkAddresses {
    net::MacAddress own{};
    net::MacAddress next_hop{};
};

/// All that stands in front of a flow's innermost IP header, in frames of one direction: Ethernet, tags,
/// labels, PPPoE, and the tunnels with their outer IP headers. Taken from a frame that was seen, kept as long
/// as one likes, and put around packets of our own.
///
/// What belongs to the one frame is taken out (lengths, checksums, IP ids, ECN), so that all frames of a
/// direction give the same bytes but for what their sender changes; finish() makes it anew. An outer UDP
/// checksum stays 0 where it was 0. Outer TTLs and traffic classes are those that were seen.
///
/// Of a mirrored frame in ERSPAN only what was mirrored counts: the tunnel leads to the analyser, and what
/// goes into it reaches nobody.
///
/// A value of fixed size, without pointers: it may be copied, compared and kept by any thread.
class Encapsulation {
  public:
    static constexpr std::size_t kMaxSize = 200;
    static constexpr std::size_t kMaxNotes = 24;

    /// Of a frame with Ethernet in front, as net::parse found it. `out` is whole only with kNone. An
    /// authentication header refuses the frame, wherever it stands.
    [[nodiscard]] static Refusal take(base::Bytes frame, const net::ParsedPacket& parsed, Encapsulation& out);

    /// The same way back: MAC and IP addresses change places, outer TTLs become 64. kOneWay if a label or
    /// TEID is in it, of which the receivers choose one for each direction.
    [[nodiscard]] Refusal reverse();

    /// From our own interface to a router, instead of the addresses that were seen: for ports that are no
    /// bridge's. Of the outermost Ethernet header alone.
    void address(const LinkAddresses& link);
    /// The same, into another network than the one in which it was seen: tags, labels, PPPoE and all else in
    /// front of the first IP header belong to that one and are left out. `ip_version`: the flow's.
    void move_to(const LinkAddresses& link, std::uint8_t ip_version);

    std::size_t size() const { return size_; }
    base::Bytes bytes() const { return base::Bytes(bytes_).first(size_); }

    /// Writes the headers to the front of `frame`, whose bytes from size() on are an IP packet, and fills in
    /// the lengths and checksums that follow from it. Outer IPv4 headers get `ip_id`.
    void finish(std::span<std::uint8_t> frame, std::uint16_t ip_id) const;

    bool operator==(const Encapsulation&) const = default;

  private:
    enum class Field : std::uint8_t {
        kNone,
        kEthernet,   ///< MAC addresses
        kLlcLength,  ///< of what follows the field
        kOneWay,     ///< a label, VN-Tag or TEID
        kPppoe,
        kIpv4,
        kIpv6,
        kUdp,  ///< of the IP header noted last
        kGre,  ///< with a checksum
        kGtpU,
    };
    /// A header, or a field of it, that depends on the packet or on the direction. Outermost first.
    struct Note {
        Field field = Field::kNone;
        std::uint8_t at = 0;
        bool operator==(const Note&) const = default;
    };
    friend class EncapsulationReader;

    std::uint8_t size_ = 0;
    std::uint8_t note_count_ = 0;
    std::array<Note, kMaxNotes> notes_{};
    std::array<std::uint8_t, kMaxSize> bytes_{};
};
static_assert(sizeof(Encapsulation) == 250);

}  // namespace yagura::reset
