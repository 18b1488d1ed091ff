// SPDX-License-Identifier: BSD-3-Clause
#include "flow/tcp_state.h"

#include "net/protocol_numbers.h"

namespace yagura::flow {
namespace {

using namespace net::tcp_flag;
constexpr std::uint8_t kConnectionFlags = kSyn | kAck | kFin | kRst;

TcpState after_reset(TcpState state, bool from_dst) {
    const TcpState other = from_dst ? TcpState::kResetBySrc : TcpState::kResetByDst;
    if (state == other || state == TcpState::kResetByBoth) return TcpState::kResetByBoth;
    return from_dst ? TcpState::kResetByDst : TcpState::kResetBySrc;
}

bool revives(TcpState state, const TcpSignal& segment) {
    if (!segment.has_payload || (segment.flags & kSyn) != 0) return false;
    return state == TcpState::kResetByBoth ||
           state == (segment.from_dst ? TcpState::kResetByDst : TcpState::kResetBySrc);
}

}  // namespace

bool is_opening_answer(std::uint8_t flags) {
    return (flags & kConnectionFlags) == (kSyn | kAck);
}

TcpState next_state(TcpState state, const TcpSignal& segment) {
    if (state == TcpState::kClosed) return state;
    if ((segment.flags & kRst) != 0) return after_reset(state, segment.from_dst);
    if (is_reset(state)) {
        if (!revives(state, segment)) return state;
        state = TcpState::kEstablished;
    }
    if ((segment.flags & kFin) != 0) {
        const TcpState own = segment.from_dst ? TcpState::kFinByDst : TcpState::kFinBySrc;
        const TcpState other = segment.from_dst ? TcpState::kFinBySrc : TcpState::kFinByDst;
        return state == other ? TcpState::kClosed : own;
    }
    if (state == TcpState::kOpening && (segment.flags & (kSyn | kAck)) == kAck) return TcpState::kEstablished;
    return state;
}

}  // namespace yagura::flow
