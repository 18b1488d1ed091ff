// SPDX-License-Identifier: BSD-3-Clause
#include "control/client.h"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace yagura::control {
namespace {

bool try_again(int error) {
    return error == EAGAIN || error == EINTR;
}

}  // namespace

Client::Client(int fd, std::uint64_t id, Peer peer, RoleSet roles, std::size_t max_line)
    : fd_(fd), id_(id), peer_(std::move(peer)), roles_(roles), lines_(max_line) {}

Client::~Client() {
    close(fd_);
}

bool Client::read() {
    std::array<char, kReadAtOnce> bytes;
    const ssize_t n = recv(fd_, bytes.data(), bytes.size(), 0);
    if (n < 0) return try_again(errno);
    if (n == 0) {
        ended_ = true;
        lines_.end();
    } else {
        lines_.append({bytes.data(), static_cast<std::size_t>(n)});
    }
    return true;
}

bool Client::flush() {
    while (unsent() != 0) {
        const ssize_t n = send(fd_, out_.data() + sent_, unsent(), MSG_NOSIGNAL);
        if (n < 0) {
            // What was sent is forgotten once it is most of the buffer: each byte is moved once at most.
            if (sent_ > unsent()) {
                out_.erase(0, sent_);
                sent_ = 0;
            }
            return try_again(errno);
        }
        sent_ += static_cast<std::size_t>(n);
    }
    out_.clear();
    if (out_.capacity() > kReadAtOnce) out_.shrink_to_fit();
    sent_ = 0;
    return true;
}

}  // namespace yagura::control
