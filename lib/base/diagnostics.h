// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <iterator>
#include <utility>

namespace yagura::base {

inline void write_diagnostic(fmt::string_view format, fmt::format_args arguments) noexcept {
    try {
        fmt::memory_buffer line;
        fmt::vformat_to(std::back_inserter(line), format, arguments);
        std::fwrite(line.data(), 1, line.size(), stderr);
    } catch (...) {
    }
}

/// Says something to stderr, as it is, without an end of line of its own. What cannot be written is lost, and
/// nothing else comes of it: fmt::print would throw, and a full disk behind stderr would end the process.
/// (A reader that is gone needs SIGPIPE to be ignored.) Any thread.
template <typename... Arguments>
void diagnose(fmt::format_string<Arguments...> format, Arguments&&... arguments) noexcept {
    write_diagnostic(format, fmt::make_format_args(arguments...));
}

}  // namespace yagura::base
