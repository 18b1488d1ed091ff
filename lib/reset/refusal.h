// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <string_view>

namespace yagura::reset {

/// Why no frame can be made. Names are for answers and logs.
enum class Refusal : std::uint8_t {
    kNone = 0,
    kNotEthernet,    ///< the frame that was seen has no Ethernet header: there is no network to send into
    kNoFlow,         ///< not IP, or damaged up to the innermost IP header
    kNotTcp,         ///< a RST is asked for what is not TCP
    kNotAllowed,     ///< an ICMP error that must not be sent (RFC 1122, 3.2.2; RFC 4443, 2.4)
    kFragment,       ///< a later fragment: it has no transport header
    kAuthenticated,  ///< an authentication header (RFC 4302), which cannot be made without its key
    kSequenced,      ///< a tunnel that numbers its packets: one more would push out a genuine one
    kOneWay,         ///< asked for the other direction, but what leads there (label, TEID) was not seen
    kTooLong,        ///< more header bytes than Encapsulation::kMaxSize, or more layers than it notes
    kUnsupported,    ///< a header in front of the flow that cannot be repeated
    kNoRoom,         ///< the caller's buffer is too small
    kCount
};
std::string_view refusal_name(Refusal refusal);  ///< "not_ethernet", ...; "" for kNone

/// A frame's size, or why there is none.
struct Crafted {
    std::uint32_t size = 0;
    Refusal refusal = Refusal::kNone;

    bool ok() const { return refusal == Refusal::kNone; }
    bool operator==(const Crafted&) const = default;
};

}  // namespace yagura::reset
