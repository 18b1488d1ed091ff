// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "control/command_table.h"

namespace yagura::broker {

/// A part of a long list: entries [begin, end).
struct Page {
    std::size_t begin;
    std::size_t end;
    std::size_t size;  ///< of the whole list

    /// The cursor of the next page; null when this was the last.
    control::Json next() const { return end < size ? control::Json(end) : control::Json(nullptr); }
};

inline constexpr std::uint64_t kUsualPage = 100;
inline constexpr std::uint64_t kMaxPage = 1000;

inline std::vector<control::Parameter> page_parameters() {
    using control::ParameterType;
    return {{.name = "cursor",
             .type = ParameterType::kNumber,
             .help = "where to go on: `next` of the page before"},
            {.name = "limit",
             .type = ParameterType::kNumber,
             .help = "entries of a page; 100 when it is left out",
             .low = 1,
             .high = kMaxPage}};
}

inline Page page_of(const control::Arguments& arguments, std::size_t size) {
    const std::size_t begin = std::min<std::size_t>(arguments.number("cursor").value_or(0), size);
    const std::size_t limit = arguments.number("limit").value_or(kUsualPage);
    return {.begin = begin, .end = begin + std::min(limit, size - begin), .size = size};
}

}  // namespace yagura::broker
