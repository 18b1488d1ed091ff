// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <stdexcept>
#include <string>

#include "flow/tcp_state.h"
#include "net/protocol_numbers.h"

namespace yagura::test {

/// A segment in a word: ">" from the first packet's sender or "<" to it, then flags (S A F R, - for none) and
/// D for data.
inline flow::TcpSignal segment_from_word(const std::string& word) {
    flow::TcpSignal segment{.flags = 0, .from_dst = word.at(0) == '<', .has_payload = false};
    for (const char c : word.substr(1)) {
        const auto flag = [c]() -> std::uint8_t {
            using namespace net::tcp_flag;
            if (c == 'S') return kSyn;
            if (c == 'A') return kAck;
            if (c == 'F') return kFin;
            if (c == 'R') return kRst;
            if (c == 'D' || c == '-') return 0;
            throw std::invalid_argument("no flag");
        };
        segment.flags |= flag();
        segment.has_payload |= c == 'D';
    }
    return segment;
}

}  // namespace yagura::test
