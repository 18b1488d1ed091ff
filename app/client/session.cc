// SPDX-License-Identifier: BSD-3-Clause
#include "app/client/session.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace yagura::client {
namespace {

std::string why_unreachable(const std::string& path, int error) {
    switch (error) {
        case ENOENT:
            return fmt::format(
                "no yagura serves {}: there is no such socket. Is `yagura run` running, with \"control\" in "
                "its "
                "configuration or --control? Another path: --socket PATH, or YAGURA_SOCKET",
                path);
        case ECONNREFUSED:
            return fmt::format("no yagura serves {}: it was left behind by one that did not end well", path);
        case EAGAIN:
            return fmt::format("{}: it does not answer: too many connect to it, or it is held up", path);
        case EACCES:
            return fmt::format(
                "{}: permission denied. Root alone may connect, unless \"control\": {{\"roles\": ...}} of "
                "the "
                "configuration says otherwise",
                path);
        default:
            return fmt::format("{}: {}", path, std::strerror(error));
    }
}

/// Of a Unix socket this is of connecting too, which waits while the other side's queue is full.
bool limit_waiting(int fd, std::optional<std::chrono::milliseconds> patience) {
    if (!patience) return true;
    timeval time{};
    time.tv_sec = patience->count() / 1000;
    time.tv_usec = patience->count() % 1000 * 1000;
    return setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time) == 0 &&
           setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time) == 0;
}

Json parse(const std::string& line) {
    Json message = Json::parse(line, nullptr, false);
    if (!message.is_object())
        throw Failure(Status::kUnreachable, "the answer is no JSON-RPC: is this a yagura?");
    return message;
}

}  // namespace

Session::Session(const std::string& path, std::optional<std::chrono::milliseconds> patience)
    : path_(path), patience_(patience) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof address.sun_path) {
        throw Failure(Status::kUsage,
                      fmt::format("the path of a socket has 1 to {} bytes", sizeof address.sun_path - 1));
    }
    path.copy(address.sun_path, path.size());
    fd_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd_ < 0 || !limit_waiting(fd_, patience) ||
        connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        const int error = errno;
        if (fd_ >= 0) close(fd_);
        throw Failure(Status::kUnreachable, why_unreachable(path, error));
    }
}

Session::~Session() {
    close(fd_);
}

void Session::send(const std::string& line) {
    for (std::size_t done = 0; done < line.size();) {
        const ssize_t n = ::send(fd_, line.data() + done, line.size() - done, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            // Half a line is worse than none. Otherwise it may have said why it hung up: next() reads that.
            if (errno == EAGAIN) shutdown(fd_, SHUT_RDWR);
            return;
        }
        done += static_cast<std::size_t>(n);
    }
}

std::optional<Json> Session::take_line() {
    const std::size_t end = buffer_.find('\n');
    if (end == std::string::npos) return std::nullopt;
    const std::string line = buffer_.substr(0, end);
    buffer_.erase(0, end + 1);
    return parse(line);
}

bool Session::receive(int flags) {
    std::array<char, 65536> bytes;
    ssize_t n = 0;
    do {
        n = recv(fd_, bytes.data(), bytes.size(), flags);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN) return false;
    if (n <= 0)
        throw Failure(Status::kUnreachable, fmt::format("{}: yagura has ended the connection", path_));
    buffer_.append(bytes.data(), static_cast<std::size_t>(n));
    return true;
}

Json Session::next() {
    for (;;) {
        if (auto message = take_line()) return *std::move(message);
        if (!receive(0)) {
            const double seconds =
                static_cast<double>(patience_.value_or(std::chrono::milliseconds(0)).count()) / 1000;
            throw Failure(
                Status::kUnreachable,
                fmt::format("{}: no answer within {:g} s: yagura is held up or has much to do, and may do "
                            "what it was asked for all the same",
                            path_, seconds));
        }
    }
}

std::optional<Json> Session::next_if_there() {
    if (auto message = take_line()) return message;
    return receive(MSG_DONTWAIT) ? take_line() : std::nullopt;
}

void Session::request(int id, const std::string& method, const Json& params) {
    const Json request{{"jsonrpc", "2.0"}, {"id", id}, {"method", method}, {"params", params}};
    send(request.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
}

Json Session::answer(const std::string& method, const Json& params) {
    request(1, method, params);
    for (;;) {
        Json message = next();
        // Updates have no id; a refusal of the connection has null.
        if (message.contains("id")) return message;
    }
}

Json Session::call(const std::string& method, const Json& params) {
    Json message = answer(method, params);
    if (message.contains("error")) throw Failure(Status::kRefused, words_of(message["error"]));
    return std::move(message["result"]);
}

std::string words_of(const Json& error) {
    std::string words = error.value("message", "an error without words");
    const Json data = error.value("data", Json::object());
    const Json errors = data.value("errors", Json::array());
    // One fault stands in the message already.
    if (errors.size() < 2) return words;
    const std::uint64_t count = data.value("error_count", std::uint64_t{errors.size()});
    words = fmt::format("the configuration has {} errors:", count);
    for (const Json& fault : errors) {
        const std::string fix = fault.value("fix", "");
        words += fmt::format("\n  {}: {}{}", fault.value("pointer", ""), fault.value("reason", ""),
                             fix.empty() ? "" : fmt::format(" ({})", fix));
    }
    if (count > errors.size()) words += fmt::format("\n  and {} more", count - errors.size());
    return words;
}

Json all_pages(Session& session, const std::string& method, const std::string& list) {
    Json all = Json::array();
    Json params{{"limit", 1000}};
    for (;;) {
        Json page = session.call(method, params);
        for (Json& entry : page[list]) all.push_back(std::move(entry));
        if (page["next"].is_null()) return all;
        params["cursor"] = page["next"];
    }
}

}  // namespace yagura::client
