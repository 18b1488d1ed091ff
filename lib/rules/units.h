// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "rules/config.h"

namespace yagura::rules {

/// JSON of a size: the largest binary unit that states it exactly ("64KiB", quotes included), else the bare
/// number of bytes.
std::string size_json(std::uint64_t bytes);
/// JSON of a rate: the largest decimal unit that states it exactly ("1Gbps", quotes included), else the bare
/// number of bits per second.
std::string rate_json(std::uint64_t bits_per_second);
/// JSON of a duration of whole milliseconds: the largest unit that states it exactly ("1h", quotes included).
std::string duration_json(std::chrono::nanoseconds duration);

inline constexpr const char* kSizeForms =
    "a number of bytes, or a whole number with KiB, MiB, GiB, kB, MB or GB";
inline constexpr const char* kRateForms =
    "a number of bits per second, or a whole number with kbps, Mbps or Gbps";
inline constexpr const char* kDurationForms = "a number of seconds, or a number with ms, s, m, h or d";

}  // namespace yagura::rules
