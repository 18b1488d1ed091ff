// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "app/bench/card/flow_classes.h"
#include "net/protocol_numbers.h"

namespace yagura::bench {

/// What a fragment is of its datagram, transport header and all.
struct FragmentPlace {
    std::uint16_t offset = 0;    ///< bytes, a multiple of 8; 0: the first, which has the transport header
    bool more = false;           ///< others follow
    std::uint16_t datagram = 0;  ///< bytes
    auto operator<=>(const FragmentPlace&) const = default;
};

struct FrameKind {
    bool to_server = true;
    std::uint8_t flags = net::tcp_flag::kAck;  ///< of TCP
    std::uint32_t seq = 0;
    std::uint32_t ack = 0;
    std::optional<FragmentPlace> fragment{};  ///< of the innermost IP packet
};
/// A frame of the class's first flow.
std::vector<std::uint8_t> class_frame(const FlowClass& flow_class, const FrameKind& kind,
                                      const std::string& payload);

/// So many bytes of words that mean nothing.
std::string filler_words(std::size_t size);

}  // namespace yagura::bench
