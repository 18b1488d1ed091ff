// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "net/flow_key.h"
#include "net/parser.h"
#include "reset/encapsulation.h"
#include "reset/mark.h"
#include "reset/refusal.h"

namespace yagura::reset {

/// The TCP fields of a frame of ours, chosen by the caller.
struct Segment {
    std::uint32_t seq = 0;
    std::uint32_t ack = 0;
    std::uint8_t flags = 0;    ///< net::tcp_flag
    std::uint16_t window = 0;  ///< as it goes over the wire; of a RST the mark stands there instead

    bool operator==(const Segment&) const = default;
};

/// What of the innermost IP header goes on like the packets that were seen in that direction.
struct HopFields {
    std::uint8_t ttl = 64;           ///< IPv6: hop limit
    std::uint8_t traffic_class = 0;  ///< the ECN bits are cleared
};

/// Why a packet is refused, as its sender will read it.
enum class Unreachable : std::uint8_t {
    kPort,        ///< nobody listens there: connected UDP sockets get ECONNREFUSED
    kProhibited,  ///< communication administratively prohibited
};

/// Makes frames that end connections, into the caller's buffers. Allocates nothing, keeps nothing but its
/// secret: any thread may use its own copy, or a shared one.
///
/// An IPv6 packet of ours has no extension headers and an IPv4 one no options, whatever the flow's have: none
/// says to whom a RST belongs. Frames below Ethernet's 60 bytes are padded with zeros.
class ResetBuilder {
  public:
    static constexpr std::size_t kMinFrame = 60;
    /// No frame with a TCP segment in it is larger.
    static constexpr std::size_t kMaxSegmentFrame = Encapsulation::kMaxSize + 40 + 20;
    /// Of the refused packet so much is quoted (RFC 4884: what comes before extensions).
    static constexpr std::size_t kQuote = 128;
    static constexpr std::size_t kMaxUnreachableFrame = Encapsulation::kMaxSize + 40 + 8 + kQuote + 16;

    explicit ResetBuilder(const MarkKey& secret) : secret_(secret) {}

    /// A TCP segment without payload or options from key.src to key.dst, in `around`, which is that
    /// direction's.
    [[nodiscard]] Crafted segment(const Encapsulation& around, const net::FlowKey& key, HopFields hop,
                                  const Segment& segment, std::span<std::uint8_t> out) const;

    /// An ICMP error about a packet, to the one who sent it, as if from the packet's receiver. `back` is the
    /// way to the sender. It asks the sender to stop; what does not listen to ICMP goes on.
    [[nodiscard]] Crafted unreachable(const Encapsulation& back, base::Bytes frame,
                                      const net::ParsedPacket& parsed, Unreachable why, HopFields hop,
                                      std::span<std::uint8_t> out) const;

    /// The frame is a RST or an ICMP error that this secret's builder made, whatever was put around it on the
    /// way since. For any other frame true is a matter of guessing 32 bits (ICMP: 64).
    bool is_own(base::Bytes frame, const net::ParsedPacket& parsed) const;

    /// The frame has the IPv4 id or flow label of a bare acknowledgement of ours. Of others one in 2^16 has
    /// it, of IPv6 one in 2^20: ask besides whether just this one was sent (KillMachine::saw).
    bool may_be_probe(base::Bytes frame, const net::ParsedPacket& parsed) const;

  private:
    bool is_own_reset(base::Bytes frame, const net::ParsedPacket& parsed) const;
    bool is_own_unreachable(base::Bytes frame, const net::ParsedPacket& parsed) const;

    MarkKey secret_;
};

}  // namespace yagura::reset
