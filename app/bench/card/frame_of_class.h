// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "app/bench/card/flow_classes.h"
#include "net/protocol_numbers.h"

namespace yagura::bench {

struct FrameKind {
    bool to_server = true;
    std::uint8_t flags = net::tcp_flag::kAck;  ///< of TCP
    std::uint32_t seq = 0;
    std::uint32_t ack = 0;
};
/// A frame of the class's first flow.
std::vector<std::uint8_t> class_frame(const FlowClass& flow_class, const FrameKind& kind,
                                      const std::string& payload);

/// So many bytes of words that mean nothing.
std::string filler_words(std::size_t size);

}  // namespace yagura::bench
