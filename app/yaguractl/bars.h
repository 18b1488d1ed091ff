// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <deque>
#include <string>

namespace yagura::ctl {

/// What bars and plots are drawn with: not every terminal has blocks.
enum class Glyphs : std::uint8_t { kBlocks, kAscii };
/// As the user's locale says (LC_ALL, LC_CTYPE, LANG).
Glyphs glyphs_of_locale();

/// A bar of `width` columns, filled to `share` (0 to 1): in eighths of a column, where there are blocks.
std::string bar(double share, std::size_t width, Glyphs glyphs = Glyphs::kBlocks);
/// One character for each value, as high as its share of the largest; the latest on the right.
std::string plot(const std::deque<double>& values, std::size_t width, Glyphs glyphs = Glyphs::kBlocks);

}  // namespace yagura::ctl
