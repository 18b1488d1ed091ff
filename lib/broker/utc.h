// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <chrono>
#include <string>

namespace yagura::broker {

/// "2026-03-01T12:00:00.123Z": UTC, in milliseconds.
inline std::string utc_ms(std::chrono::system_clock::time_point time) {
    const auto ms = std::chrono::floor<std::chrono::milliseconds>(time.time_since_epoch()).count();
    return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(static_cast<std::time_t>(ms / 1000)),
                       ms % 1000);
}

}  // namespace yagura::broker
