// SPDX-License-Identifier: BSD-3-Clause
#include "control/line_buffer.h"

namespace yagura::control {
namespace {

/// Memory that an empty buffer keeps.
constexpr std::size_t kKeptCapacity = 64u << 10;

}  // namespace

/// Each byte is looked at once, however small the pieces are in which it comes.
std::size_t LineBuffer::find_end() {
    const std::size_t end = bytes_.find('\n', scanned_);
    scanned_ = end == std::string::npos ? bytes_.size() : end;
    return end;
}

bool LineBuffer::has_line() {
    return find_end() != std::string::npos || (ended_ && given_ < bytes_.size());
}

std::optional<std::string_view> LineBuffer::next() {
    std::size_t end = find_end();
    if (end == std::string::npos) {
        // What was given out makes room only here, so that many small lines are not moved many times.
        bytes_.erase(0, given_);
        scanned_ -= given_;
        given_ = 0;
        if (bytes_.empty() && bytes_.capacity() > kKeptCapacity) bytes_.shrink_to_fit();
        if (!ended_ || bytes_.empty()) return std::nullopt;
        end = bytes_.size();
    }
    const std::string_view line(bytes_.data() + given_, end - given_);
    given_ = end < bytes_.size() ? end + 1 : end;
    scanned_ = given_;
    return line;
}

bool LineBuffer::too_long() {
    const std::size_t end = find_end();
    return (end == std::string::npos ? bytes_.size() : end) - given_ > max_line_;
}

}  // namespace yagura::control
