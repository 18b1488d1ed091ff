// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <sys/types.h>

#include <string>

#include "base/result.h"

namespace yagura::control {

/// A listening Unix socket and its place in the file system. The place is given up with the object.
class SocketFile {
  public:
    /// Makes the folder when it alone is missing. A socket that nobody serves any more is replaced; one that
    /// answers, and anything that is no socket, is an error.
    static base::Result<SocketFile> listen(const std::string& path, mode_t mode);
    SocketFile(SocketFile&& other) noexcept;
    SocketFile& operator=(SocketFile&&) = delete;
    ~SocketFile();

    int fd() const { return fd_; }
    const std::string& path() const { return path_; }

  private:
    SocketFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
    int fd_;
    std::string path_;
    dev_t device_ = 0;  ///< what was made: somebody else's file at the same place stays
    ino_t inode_ = 0;
};

}  // namespace yagura::control
