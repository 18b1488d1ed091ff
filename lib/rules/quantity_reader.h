// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

#include "rules/fields.h"

namespace yagura::rules {

/// Reads a size in [low, high] bytes into `out`, which stays as it is when the key is absent. False, and a
/// report, when what stands there is no such size.
bool read_size(const Fields& fields, std::string_view key, std::uint64_t low, std::uint64_t high,
               std::uint64_t& out, ErrorList& errors);

/// Reads a duration of whole milliseconds in [low, high]. Nothing when the key is absent, and, with a report,
/// when what stands there is no such duration.
std::optional<std::chrono::nanoseconds> read_duration(const Fields& fields, std::string_view key,
                                                      std::chrono::nanoseconds low,
                                                      std::chrono::nanoseconds high, ErrorList& errors);

}  // namespace yagura::rules
