// SPDX-License-Identifier: BSD-3-Clause
#include "app/alerts/stream_input.h"

#include <unistd.h>

#include <array>
#include <cerrno>

namespace yagura::alerts {

/// False when there is nothing for now. Asks first: the descriptor may be shared with others, so it is not
/// made non-blocking.
bool StreamInput::read() {
    pollfd ready{.fd = fd_, .events = POLLIN, .revents = 0};
    if (poll(&ready, 1, 0) <= 0) return false;
    std::array<char, kReadAtOnce> bytes;
    const ssize_t n = ::read(fd_, bytes.data(), bytes.size());
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) return false;
    if (n <= 0) {
        ended_ = true;
        lines_.end();
        return true;
    }
    lines_.append({bytes.data(), static_cast<std::size_t>(n)});
    return true;
}

std::optional<LineSplitter::Line> StreamInput::next() {
    for (std::size_t taken = 0; taken <= kMaxLine; taken += kReadAtOnce) {
        if (auto line = lines_.next()) return line;
        if (ended_ || !read()) return std::nullopt;
    }
    return std::nullopt;
}

void StreamInput::add_to(std::vector<pollfd>& polled) const {
    if (!ended_) polled.push_back({.fd = fd_, .events = POLLIN, .revents = 0});
}

}  // namespace yagura::alerts
