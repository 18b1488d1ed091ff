// SPDX-License-Identifier: BSD-3-Clause
#include "app/yaguractl/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace yagura::ctl {

std::string printable(std::string_view text) {
    std::string out(text);
    for (char& c : out) {
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
    }
    return out;
}

std::size_t width_of(std::string_view text) {
    return static_cast<std::size_t>(
        std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

std::string fit(std::string_view text, std::size_t columns) {
    std::size_t at = 0;
    for (std::size_t shown = 0; at < text.size(); ++at) {
        const bool begins = (static_cast<unsigned char>(text[at]) & 0xc0) != 0x80;
        if (begins && shown++ == columns) break;
    }
    return std::string(text.substr(0, at));
}

std::string Table::text(Titles titles) const {
    std::vector<std::size_t> widths;
    for (const Column& column : columns_) widths.push_back(width_of(column.title));
    for (const auto& row : rows_) {
        for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
    }
    std::string out;
    const auto add_line = [&](auto cell_of) {
        std::string line;
        for (std::size_t i = 0; i < columns_.size(); ++i) {
            const std::string cell = printable(cell_of(i));
            const std::string space(widths[i] - width_of(cell), ' ');
            if (i > 0) line += "  ";
            line += columns_[i].align == Align::kRight ? space + cell : cell + space;
        }
        out += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
    };
    if (titles == Titles::kShown) add_line([&](std::size_t i) { return columns_[i].title; });
    for (const auto& row : rows_) add_line([&](std::size_t i) { return row[i]; });
    return out;
}

std::string grouped(std::uint64_t number) {
    std::string digits = std::to_string(number);
    for (std::size_t at = digits.size(); at > 3;) digits.insert(at -= 3, ",");
    return digits;
}

std::string short_number(double value, std::string_view unit) {
    constexpr std::array<const char*, 6> kPrefixes{"", "k", "M", "G", "T", "P"};
    std::size_t prefix = 0;
    while (value >= 999.5 && prefix + 1 < kPrefixes.size()) {
        value /= 1000;
        ++prefix;
    }
    const int decimals = prefix == 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
    const bool bare = prefix == 0 && unit.empty();
    return fmt::format("{:.{}f}{}{}{}", value, decimals, bare ? "" : " ", kPrefixes[prefix], unit);
}

std::string duration(std::uint64_t milliseconds) {
    const std::uint64_t seconds = milliseconds / 1000;
    const std::uint64_t minutes = seconds / 60;
    const std::uint64_t hours = minutes / 60;
    if (hours >= 24) return fmt::format("{}d {}h", hours / 24, hours % 24);
    if (hours > 0) return fmt::format("{}h {}m", hours, minutes % 60);
    if (minutes > 0) return fmt::format("{}m {}s", minutes, seconds % 60);
    return fmt::format("{}.{}s", seconds, milliseconds % 1000 / 100);
}

}  // namespace yagura::ctl
