// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <string>

#include "support/filter_generator.h"

namespace yagura::test {

/// What the check below did, to show that it did something.
struct StreamCheckCounts {
    std::uint64_t cases = 0;       ///< a pattern and a stream, under all ways to cut it
    std::uint64_t found = 0;       ///< of these, how often it was in it
    std::uint64_t placed = 0;      ///< patterns with an offset or a depth
    std::uint64_t refused = 0;     ///< patterns that do not compile for us
    std::uint64_t gaps = 0;        ///< a pattern and the bytes behind a gap
    std::uint64_t found_late = 0;  ///< of these, how often it was found there
};

/// Draws some patterns and a stream, and compares what is found in the stream, however it is cut, in the same
/// bytes as one datagram and as one packet, and behind a gap, with what PCRE2 finds in the whole. Returns
/// what differs, in words; empty when all is well.
std::string check_streams(Choices& choices, StreamCheckCounts& counts);

}  // namespace yagura::test
