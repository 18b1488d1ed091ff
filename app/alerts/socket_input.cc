// SPDX-License-Identifier: BSD-3-Clause
#include "app/alerts/socket_input.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace yagura::alerts {
namespace {

constexpr int kBacklog = 64;
constexpr unsigned kDatagramsAtOnce = 64;  ///< without a line in them

base::Error failed(const std::string& path, std::string_view what) {
    return base::Error{fmt::format("socket {}: {}: {}", path, what, std::strerror(errno))};
}

int type_of(SocketInput::Kind kind) {
    return kind == SocketInput::Kind::kStream ? SOCK_STREAM : SOCK_DGRAM;
}

Descriptor make_socket(SocketInput::Kind kind) {
    return Descriptor(socket(AF_UNIX, type_of(kind) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

/// Removes a socket that nobody serves.
base::Result<void> clear_place(const std::string& path, const sockaddr_un& address) {
    struct stat status {};
    if (lstat(path.c_str(), &status) != 0)
        return errno == ENOENT ? base::Result<void>{} : failed(path, "cannot be looked at");
    if (!S_ISSOCK(status.st_mode))
        return base::Error{
            fmt::format("socket {}: something else stands there; remove it, or choose another path", path)};
    // Of both kinds: whoever asks by the wrong one is told so, which is an answer too.
    const Descriptor probe = make_socket(SocketInput::Kind::kStream);
    if (connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ||
        errno != ECONNREFUSED)
        return base::Error{fmt::format("socket {}: another program serves it; choose another path", path)};
    if (unlink(path.c_str()) != 0) return failed(path, "the one that was left there cannot be removed");
    return {};
}

}  // namespace

SocketInput::SocketInput(std::string path, Kind kind, Descriptor socket)
    : path_(std::move(path)), kind_(kind), socket_(std::move(socket)) {
    // One byte more than a line may have tells that it is too long.
    if (kind_ == Kind::kDatagram) datagram_.resize(kMaxLine + 1);
}

base::Result<std::unique_ptr<SocketInput>> SocketInput::open(const std::string& path, Kind kind,
                                                             mode_t mode) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof address.sun_path)
        return base::Error{
            fmt::format("socket {}: a path has 1 to {} bytes", path, sizeof address.sun_path - 1)};
    path.copy(address.sun_path, path.size());
    if (auto cleared = clear_place(path, address); !cleared) return cleared.error();
    Descriptor socket = make_socket(kind);
    // Closed to others from its first moment, whatever the umask is.
    if (!socket || fchmod(socket.get(), S_IRUSR | S_IWUSR) != 0 ||
        bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        return failed(path, "cannot be made");
    std::unique_ptr<SocketInput> input(new SocketInput(path, kind, std::move(socket)));
    struct stat status {};
    if (lstat(path.c_str(), &status) != 0) return failed(path, "cannot be looked at");
    input->device_ = status.st_dev;
    input->inode_ = status.st_ino;
    if (chmod(path.c_str(), mode) != 0) return failed(path, "its mode cannot be set");
    if (kind == Kind::kStream && listen(input->socket_.get(), kBacklog) != 0)
        return failed(path, "cannot listen");
    return input;
}

SocketInput::~SocketInput() {
    struct stat status {};
    if (lstat(path_.c_str(), &status) == 0 && status.st_dev == device_ && status.st_ino == inode_)
        unlink(path_.c_str());
}

void SocketInput::accept_some() {
    while (writers_.size() < kMaxWriters) {
        Descriptor socket(accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (!socket) return;
        writers_.push_back(std::make_unique<Writer>());
        writers_.back()->socket = std::move(socket);
    }
}

std::optional<LineSplitter::Line> SocketInput::next_of(Writer& writer) {
    std::array<char, kReadAtOnce> bytes;
    for (std::size_t taken = 0; taken <= kMaxLine; taken += kReadAtOnce) {
        if (auto line = writer.lines.next()) return line;
        if (writer.ended) return std::nullopt;
        const ssize_t n = recv(writer.socket.get(), bytes.data(), bytes.size(), 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) return std::nullopt;
        if (n <= 0) {
            writer.ended = true;
            writer.lines.end();
        } else {
            writer.lines.append({bytes.data(), static_cast<std::size_t>(n)});
        }
    }
    return std::nullopt;
}

std::optional<LineSplitter::Line> SocketInput::next_datagram() {
    for (unsigned tries = 0; tries < kDatagramsAtOnce; ++tries) {
        if (auto line = datagrams_.next()) return line;
        const ssize_t n = recv(socket_.get(), datagram_.data(), datagram_.size(), 0);
        if (n < 0) return std::nullopt;
        datagrams_.append({datagram_.data(), static_cast<std::size_t>(n)});
        datagrams_.end();
    }
    return std::nullopt;
}

std::optional<LineSplitter::Line> SocketInput::next() {
    if (kind_ == Kind::kDatagram) return next_datagram();
    accept_some();
    // In turn, so that nobody holds up another.
    for (std::size_t tries = writers_.size(); tries > 0 && !writers_.empty(); --tries) {
        turn_ = (turn_ + 1) % writers_.size();
        Writer& writer = *writers_[turn_];
        if (auto line = next_of(writer)) return line;
        if (writer.ended) writers_.erase(writers_.begin() + static_cast<std::ptrdiff_t>(turn_));
    }
    return std::nullopt;
}

void SocketInput::add_to(std::vector<pollfd>& polled) const {
    if (writers_.size() < kMaxWriters || kind_ == Kind::kDatagram)
        polled.push_back({.fd = socket_.get(), .events = POLLIN, .revents = 0});
    for (const auto& writer : writers_)
        polled.push_back({.fd = writer->socket.get(), .events = POLLIN, .revents = 0});
}

}  // namespace yagura::alerts
