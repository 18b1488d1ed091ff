// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace yagura::ctl {

/// Columns for a person: as wide as their widest cell, those of numbers on the right.
class Table {
  public:
    enum class Align : std::uint8_t { kLeft, kRight };
    enum class Titles : std::uint8_t { kShown, kLeftOut };  ///< left out of a list that goes on
    struct Column {
        std::string title;
        Align align = Align::kLeft;
    };

    explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
    /// A cell for each column.
    void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
    /// Lines, each with its end. What would garble a terminal is replaced.
    std::string text(Titles titles = Titles::kShown) const;

  private:
    std::vector<Column> columns_;
    std::vector<std::vector<std::string>> rows_;
};

/// "1,234,567"
std::string grouped(std::uint64_t number);
/// "1.23 M", of units of 1000; `unit` is put behind: "1.23 Mbit/s".
std::string short_number(double value, std::string_view unit = {});
/// "2d 3h", "4m 5s": the two largest parts.
std::string duration(std::uint64_t milliseconds);
/// Without what would garble a terminal.
std::string printable(std::string_view text);
/// How many columns a text in UTF-8 takes, of characters that take one.
std::size_t width_of(std::string_view text);
/// Cut to so many columns, in whole characters.
std::string fit(std::string_view text, std::size_t columns);

}  // namespace yagura::ctl
