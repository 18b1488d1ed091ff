// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "control/line_buffer.h"
#include "control/peer.h"
#include "control/roles.h"

namespace yagura::control {

/// One connection: its socket, what has been read and not understood yet, what is said and not taken yet.
/// Never blocks.
class Client {
  public:
    using Clock = std::chrono::steady_clock;
    struct Subscription {
        std::chrono::milliseconds interval;
        Clock::time_point due;
        std::uint64_t missed = 0;  ///< updates that it did not get because it had not read what came before
    };

    /// Owns the socket.
    Client(int fd, std::uint64_t id, Peer peer, RoleSet roles, std::size_t max_line);
    ~Client();
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    /// Reads what has come, up to a bound. False when the connection is broken.
    [[nodiscard]] bool read();
    /// Sends what can be sent at once. False when the connection is broken.
    [[nodiscard]] bool flush();
    /// To be sent by flush().
    void say(std::string_view line) { out_.append(line); }

    LineBuffer& lines() { return lines_; }
    const LineBuffer& lines() const { return lines_; }
    std::size_t unsent() const { return out_.size() - sent_; }
    /// Of both buffers.
    std::size_t buffered() const { return lines_.size() + out_.size(); }
    /// It takes so little of what it is told that nothing more is heard of it for now.
    bool is_slow() const { return unsent() >= kSlow; }
    bool ended() const { return ended_; }  ///< it says no more, but may still listen

    int fd() const { return fd_; }
    std::uint64_t id() const { return id_; }
    const Peer& peer() const { return peer_; }
    const RoleSet& roles() const { return roles_; }

    // The server's notes.
    std::optional<Subscription> subscription;
    unsigned waiting = 0;        ///< calls that are answered later
    bool closing = false;        ///< nothing more is read; ends when all is sent
    bool queued = false;         ///< stands in the server's queue
    bool told = false;           ///< got an event, or tried to, since it was settled last
    bool flushed = false;        ///< likewise: what an event had no room behind was tried to be sent
    std::uint32_t interest = 0;  ///< what epoll was told
    std::size_t counted = 0;     ///< of buffered(), in the server's sum
    std::uint64_t heard = 0;     ///< when it said something last: the greater, the later

    static constexpr std::size_t kReadAtOnce = 64u << 10;
    static constexpr std::size_t kSlow = 256u << 10;

  private:
    int fd_;
    std::uint64_t id_;
    Peer peer_;
    RoleSet roles_;
    LineBuffer lines_;
    std::string out_;
    std::size_t sent_ = 0;
    bool ended_ = false;
};

}  // namespace yagura::control
