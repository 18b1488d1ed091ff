// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace yagura::alerts {

/// Bytes of a line at most; of a longer one nothing is read.
inline constexpr std::size_t kMaxLine = 1u << 20;

/// Bytes from anywhere, given out by lines. Holds one line of the bound and what was appended with its end.
class LineSplitter {
  public:
    struct Line {
        std::string_view text;  ///< without its end; valid until the next call of anything
        bool too_long = false;  ///< `text` is empty then; told once for each such line
    };

    explicit LineSplitter(std::size_t max_line = kMaxLine) : max_line_(max_line) {}

    void append(std::string_view bytes);
    /// Nothing more comes of what was appended so far: what stands behind the last line end is a line too.
    void end() { ended_ = true; }
    /// Begins anew, with nothing.
    void clear();
    /// The next line; nothing while none is whole.
    std::optional<Line> next();
    std::size_t size() const { return bytes_.size() - given_; }

  private:
    std::size_t max_line_;
    std::string bytes_;
    std::size_t given_ = 0;    ///< bytes before this have been given out
    std::size_t scanned_ = 0;  ///< from given_ to here there is no line end
    bool skipping_ = false;    ///< in a line that is too long
    bool ended_ = false;
};

}  // namespace yagura::alerts
