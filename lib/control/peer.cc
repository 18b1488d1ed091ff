// SPDX-License-Identifier: BSD-3-Clause
#include "control/peer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace yagura::control {
namespace {

/// A process may name itself what it likes: nothing that garbles a log gets through.
std::string printable(std::string_view text) {
    std::string out;
    for (const char c : text) out += c >= ' ' && c <= '~' ? c : '?';
    return out;
}

std::string program_of(pid_t pid) {
    std::array<char, 256> text;
    const ssize_t n = readlink(fmt::format("/proc/{}/exe", pid).c_str(), text.data(), text.size());
    if (n > 0) return printable({text.data(), static_cast<std::size_t>(n)});
    const int file = open(fmt::format("/proc/{}/comm", pid).c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) return {};
    const ssize_t length = read(file, text.data(), text.size());
    close(file);
    std::string_view name(text.data(), static_cast<std::size_t>(std::max<ssize_t>(length, 0)));
    if (name.ends_with('\n')) name.remove_suffix(1);
    // As ps shows what it does not know well: a process takes any name that it likes.
    return name.empty() ? std::string() : "[" + printable(name) + "]";
}

std::vector<gid_t> groups_of(int socket) {
    std::vector<gid_t> groups(32);
    for (;;) {
        auto bytes = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
        const int result = getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &bytes);
        // ERANGE says how many bytes there are.
        if (result != 0 && errno != ERANGE) return {};
        groups.resize(bytes / sizeof(gid_t));
        if (result == 0) return groups;
    }
}

}  // namespace

bool Peer::in_group(gid_t group) const {
    return gid == group || std::ranges::find(groups, group) != groups.end();
}

std::string Peer::to_string() const {
    return fmt::format("uid {} (pid {}{}{})", uid, pid, program.empty() ? "" : ", ", program);
}

base::Result<Peer> peer_of(int socket) {
    ucred credentials{};
    socklen_t size = sizeof credentials;
    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
        return base::Error{fmt::format("the peer's credentials cannot be read: {}", std::strerror(errno))};
    }
    return Peer{.pid = credentials.pid,
                .uid = credentials.uid,
                .gid = credentials.gid,
                .groups = groups_of(socket),
                .program = program_of(credentials.pid)};
}

}  // namespace yagura::control
