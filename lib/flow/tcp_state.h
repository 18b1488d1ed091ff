// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>

#include "net/protocol_numbers.h"

namespace yagura::flow {

/// How far a connection is, as far as an onlooker needs to know to say when it has ended. By flags alone:
/// sequence numbers are TcpStream's. Src is the sender of the flow's first packet, dst its receiver.
enum class TcpState : std::uint8_t {
    kOpening,      ///< no segment yet with ACK and without SYN: half open at best
    kEstablished,  ///< such a segment was seen, from whichever side: it may be the only one that is captured
    kFinBySrc,
    kFinByDst,
    kClosed,      ///< both sides have sent a FIN: for good
    kResetBySrc,  ///< until the one who is said to have sent the RST goes on sending data
    kResetByDst,
    kResetByBoth,
};

/// What is asked of a TCP segment. Flags of a packet without a whole TCP header (a later fragment): 0.
struct TcpSignal {
    std::uint8_t flags;  ///< net::tcp_flag
    bool from_dst;       ///< against the direction of the flow's first packet
    bool has_payload;
};

/// The state after a segment. A RST is not believed for good, because anybody can send one (RFC 5961 says how
/// little it takes, and censors do it to both ends): payload later from the same end makes the connection
/// established again. After a FIN from each end nothing does.
TcpState next_state(TcpState state, const TcpSignal& segment);

inline bool is_reset(TcpState state) {
    return state == TcpState::kResetBySrc || state == TcpState::kResetByDst ||
           state == TcpState::kResetByBoth;
}

/// The connection is over. `answered`: both ends have been seen; of a connection of which one direction alone
/// is captured, one FIN is all that will ever come.
inline bool is_over(TcpState state, bool answered) {
    if (state == TcpState::kFinBySrc || state == TcpState::kFinByDst) return !answered;
    return state == TcpState::kClosed || is_reset(state);
}

/// None of SYN, FIN and RST: it changes nothing of an established connection.
constexpr bool is_plain_segment(std::uint8_t flags) {
    using namespace net::tcp_flag;
    return (flags & (kSyn | kFin | kRst)) == 0;
}
/// A segment that only begins a connection: SYN alone among SYN, ACK, FIN and RST.
constexpr bool is_opening_segment(std::uint8_t flags) {
    using namespace net::tcp_flag;
    return (flags & (kSyn | kAck | kFin | kRst)) == kSyn;
}
/// The second segment of a handshake.
bool is_opening_answer(std::uint8_t flags);

}  // namespace yagura::flow
