// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace yagura::bench {

/// The sizes of made frames, in turn. Bytes as they lie in memory: without preamble and check sequence.
struct FrameSizes {
    std::string name;
    std::vector<std::uint32_t> turn;

    std::uint32_t of(std::size_t n) const { return turn[n % turn.size()]; }
    std::uint32_t least() const;
    std::uint32_t most() const;
    double mean() const;
};

inline constexpr std::uint32_t kLeastFrame = 64;
inline constexpr std::uint32_t kMostFrame = 1518;

/// A number of bytes, or "imix": of 12 frames 7 of 64 bytes, 4 of 594 and 1 of 1518, the large ones spread
/// evenly. The "simple IMIX" of test equipment, with frames of 594 bytes for its IP packets of 576.
base::Result<FrameSizes> parse_frame_sizes(std::string_view text);

}  // namespace yagura::bench
