// SPDX-License-Identifier: BSD-3-Clause
#include "app/yaguractl/bars.h"

#include <langinfo.h>
#include <locale.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include "app/yaguractl/table.h"

namespace yagura::ctl {

Glyphs glyphs_of_locale() {
    const locale_t locale = newlocale(LC_CTYPE_MASK, "", nullptr);
    if (locale == nullptr) return Glyphs::kAscii;
    const bool utf8 = std::string_view(nl_langinfo_l(CODESET, locale)) == "UTF-8";
    freelocale(locale);
    return utf8 ? Glyphs::kBlocks : Glyphs::kAscii;
}

std::string bar(double share, std::size_t width, Glyphs glyphs) {
    share = std::clamp(share, 0.0, 1.0) * static_cast<double>(width);
    if (glyphs == Glyphs::kAscii) {
        const auto filled = static_cast<std::size_t>(std::lround(share));
        return std::string(filled, '#') + std::string(width - filled, ' ');
    }
    constexpr std::array<const char*, 8> kEighths{"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    const auto eighths = static_cast<std::size_t>(std::lround(8 * share));
    std::string out;
    for (std::size_t i = 0; i < eighths / 8; ++i) out += "█";
    out += kEighths[eighths % 8];
    return out + std::string(width - width_of(out), ' ');
}

std::string plot(const std::deque<double>& values, std::size_t width, Glyphs glyphs) {
    constexpr std::array<const char*, 8> kBlocks{"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    constexpr std::array<const char*, 8> kAscii{"_", ".", ":", "-", "=", "+", "*", "#"};
    const auto& heights = glyphs == Glyphs::kAscii ? kAscii : kBlocks;
    const std::size_t shown = std::min(width, values.size());
    std::string out(width - shown, ' ');
    const double highest = values.empty() ? 0 : *std::ranges::max_element(values);
    for (std::size_t i = values.size() - shown; i < values.size(); ++i) {
        const double share = highest > 0 ? values[i] / highest : 0;
        out +=
            heights[static_cast<std::size_t>(std::lround(share * static_cast<double>(heights.size() - 1)))];
    }
    return out;
}

}  // namespace yagura::ctl
