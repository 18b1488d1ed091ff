// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/result.h"

namespace yagura::control {

/// Who is at the other end of a Unix socket, as the kernel knew it when the connection was made.
struct Peer {
    pid_t pid = 0;
    uid_t uid = 0;
    gid_t gid = 0;
    std::vector<gid_t> groups;  ///< supplementary ones
    std::string program;        ///< its executable; "[what it calls itself]" where that cannot be read

    bool in_group(gid_t group) const;
    /// "uid 1000 (pid 4711, /usr/bin/socat)". Not the user's name: looking that up may block.
    std::string to_string() const;
};

base::Result<Peer> peer_of(int socket);

}  // namespace yagura::control
