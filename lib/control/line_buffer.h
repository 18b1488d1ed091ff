// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace yagura::control {

/// Bytes from a stream, given out by lines. Holds at most one line of the bound and what was appended with
/// it.
class LineBuffer {
  public:
    explicit LineBuffer(std::size_t max_line) : max_line_(max_line) {}

    void append(std::string_view bytes) { bytes_.append(bytes); }
    /// Nothing more comes: what stands behind the last line end is a line too.
    void end() { ended_ = true; }

    /// There is a line.
    bool has_line();
    /// The next line without its end, which is valid until the next call of anything; nothing while there is
    /// none.
    std::optional<std::string_view> next();
    /// What has come of the next line is longer than may be.
    bool too_long();
    std::size_t max_line() const { return max_line_; }
    std::size_t size() const { return bytes_.size(); }

  private:
    std::size_t find_end();

    std::size_t max_line_;
    std::string bytes_;
    std::size_t given_ = 0;    ///< bytes before this have been given out
    std::size_t scanned_ = 0;  ///< from given_ to here there is no line end
    bool ended_ = false;
};

}  // namespace yagura::control
