// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"

namespace yagura::bench {

/// What the two sides of some TCP connections say, in the order in which it is said.
struct Conversations {
    struct Segment {
        std::uint32_t direction;  ///< 2 * connection, and 1 for what goes against its first segment
        std::vector<std::uint8_t> payload;
    };
    std::string name;
    std::vector<Segment> segments;
    std::uint32_t connections = 0;

    std::uint64_t bytes() const;
    std::uint32_t directions() const { return 2 * connections; }
};

/// The payloads of a capture's TCP segments, as they were cut: so many, in 16 runs from all over the file.
/// Those that are too large for Ethernet (the host's own card would have cut them) are cut. What came twice
/// or late is said as it came.
base::Result<Conversations> read_conversations(const std::string& capture, std::size_t segments);

/// Requests and responses of made words, of 64 connections in turn.
Conversations make_conversations(std::size_t segments);

/// The same bytes in segments of these sizes in turn, at most so many; what does not fill one is left out, as
/// is a connection that fills none.
Conversations recut(const Conversations& conversations, std::span<const std::size_t> sizes,
                    std::size_t segments);

}  // namespace yagura::bench
