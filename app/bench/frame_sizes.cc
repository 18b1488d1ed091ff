// SPDX-License-Identifier: BSD-3-Clause
#include "app/bench/frame_sizes.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <numeric>

namespace yagura::bench {

std::uint32_t FrameSizes::least() const {
    return *std::ranges::min_element(turn);
}

std::uint32_t FrameSizes::most() const {
    return *std::ranges::max_element(turn);
}

double FrameSizes::mean() const {
    return std::accumulate(turn.begin(), turn.end(), 0.0) / static_cast<double>(turn.size());
}

base::Result<FrameSizes> parse_frame_sizes(std::string_view text) {
    if (text == "imix") {
        return FrameSizes{.name = "imix", .turn = {64, 594, 64, 64, 594, 64, 1518, 64, 594, 64, 64, 594}};
    }
    std::uint32_t size = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), size);
    if (error != std::errc{} || end != text.data() + text.size() || size < kLeastFrame || size > kMostFrame) {
        return base::Error{fmt::format("a frame has {} to {} bytes, or \"imix\", not \"{}\"", kLeastFrame,
                                       kMostFrame, text)};
    }
    return FrameSizes{.name = std::string(text), .turn = {size}};
}

}  // namespace yagura::bench
