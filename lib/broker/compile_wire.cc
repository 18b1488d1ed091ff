// SPDX-License-Identifier: BSD-3-Clause
#include "broker/compile_wire.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace yagura::broker::compile_wire {
namespace {

/// In place of the expression at fault, when there is a database.
constexpr std::int32_t kGood = -2;

bool comes_later() {
    return errno == EAGAIN || errno == EINTR;
}

Io send_bytes(int socket, std::string_view bytes, const Wait& wait) {
    while (!bytes.empty()) {
        const ssize_t n = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n >= 0) {
            bytes.remove_prefix(static_cast<std::size_t>(n));
        } else if (!comes_later()) {
            return Io::kEnded;
        } else if (!wait(POLLOUT)) {
            return Io::kGivenUp;
        }
    }
    return Io::kDone;
}

Io receive_bytes(int socket, char* to, std::size_t size, const Wait& wait) {
    while (size != 0) {
        const ssize_t n = recv(socket, to, size, MSG_DONTWAIT);
        if (n > 0) {
            to += n;
            size -= static_cast<std::size_t>(n);
        } else if (n == 0 || !comes_later()) {
            return Io::kEnded;
        } else if (!wait(POLLIN)) {
            return Io::kGivenUp;
        }
    }
    return Io::kDone;
}

}  // namespace

std::string hello() {
    return "yagura compiles for " + match::database_platform();
}

std::string encode(const match::DatabaseAnswer& answer) {
    const std::int32_t expression = answer.bytes.empty() ? answer.expression : kGood;
    std::string message(sizeof expression, '\0');
    std::memcpy(message.data(), &expression, sizeof expression);
    return message + (answer.bytes.empty() ? answer.reason : answer.bytes);
}

std::optional<match::DatabaseAnswer> decode(std::string message) {
    std::int32_t expression = 0;
    if (message.size() < sizeof expression) return std::nullopt;
    std::memcpy(&expression, message.data(), sizeof expression);
    message.erase(0, sizeof expression);
    if (expression == kGood) return match::DatabaseAnswer{std::move(message), -1, {}};
    return match::DatabaseAnswer{{}, expression, std::move(message)};
}

Io send(int socket, std::string_view message, const Wait& wait) {
    const std::uint64_t size = message.size();
    char head[sizeof size];
    std::memcpy(head, &size, sizeof size);
    const Io sent = send_bytes(socket, {head, sizeof head}, wait);
    return sent == Io::kDone ? send_bytes(socket, message, wait) : sent;
}

Io receive(int socket, std::string& message, const Wait& wait) {
    std::uint64_t size = 0;
    char head[sizeof size];
    if (const Io received = receive_bytes(socket, head, sizeof head, wait); received != Io::kDone)
        return received;
    std::memcpy(&size, head, sizeof size);
    message.clear();
    // A length is believed as far as bytes come.
    constexpr std::uint64_t kPiece = 1u << 20;
    while (message.size() < size) {
        const std::size_t begin = message.size();
        const std::size_t piece = static_cast<std::size_t>(std::min(kPiece, size - begin));
        message.resize(begin + piece);
        const Io received = receive_bytes(socket, message.data() + begin, piece, wait);
        if (received != Io::kDone) return received;
    }
    return Io::kDone;
}

}  // namespace yagura::broker::compile_wire
