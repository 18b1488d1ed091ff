// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <span>

#include "app/bench/frame_set.h"
#include "app/bench/frame_sizes.h"
#include "app/bench/literals.h"
#include "base/result.h"

namespace yagura::bench {

/// TCP packets of made_flow() 0 to flows - 1 in turn, lap by lap in the other direction: so many, whole laps.
/// `chosen`: percent of the flows, to port 80.
RawFrames make_packets(std::uint32_t flows, std::size_t packets, const FrameSizes& sizes, unsigned chosen);

/// Packets of each flow of made sessions.
inline constexpr std::size_t kPacketsOfSession = 16;

/// TCP sessions of the same flows, a packet of each in turn: requests and longer answers of made words, in
/// sequence, from the first request to the FIN of either side. In `chosen` percent of the flows one of the
/// literals stands in the first packet that has room; an error when none has.
base::Result<RawFrames> make_sessions(std::uint32_t flows, const FrameSizes& sizes, unsigned chosen,
                                      std::span<const Literal> literals);

}  // namespace yagura::bench
