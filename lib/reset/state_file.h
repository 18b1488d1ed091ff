// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace yagura::reset {

/// Files that a run leaves to the next one, in a folder that it alone writes to. Errors name the file.

/// The next one of such a file, PATH.new, which only its owner can read. Without replace() nothing of it
/// stays.
class Draft {
  public:
    static base::Result<Draft> make(const std::string& path);
    Draft(Draft&& other) noexcept;
    Draft& operator=(Draft&&) = delete;
    ~Draft();

    /// False, and errno, when it cannot be written.
    bool write(std::string_view text);
    /// Brings it to the disk, and into the place of the old file: whatever happens meanwhile, there is either
    /// the old one or this one.
    base::Result<void> replace();

  private:
    Draft(std::string path, int file) : path_(std::move(path)), file_(file) {}
    std::string name() const { return path_ + ".new"; }
    std::string path_;
    int file_;
};

/// A whole file at once.
base::Result<void> replace_file(const std::string& path, std::string_view text);
/// Its first `most` bytes; nothing when there is no such file.
base::Result<std::optional<std::string>> read_file(const std::string& path, std::size_t most);
/// Removes it, also from the disk. One that is not there is no error.
base::Result<void> remove_file(const std::string& path);

/// A file is one process' while this lives: PATH.lock has a lock, which goes with the process however that
/// ends, and its pid, for others to say who it is. The lock file itself stays.
class FileLock {
  public:
    static base::Result<FileLock> take(const std::string& path);
    FileLock(FileLock&& other) noexcept;
    FileLock& operator=(FileLock&&) = delete;
    ~FileLock();

  private:
    explicit FileLock(int file) : file_(file) {}
    int file_;
};

/// The folder that a path is in.
std::string folder_of(const std::string& path);

}  // namespace yagura::reset
