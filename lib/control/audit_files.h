// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace yagura::control {

/// Closed when it goes.
class FileDescriptor {
  public:
    FileDescriptor() = default;
    explicit FileDescriptor(int fd) : fd_(fd) {}
    FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    FileDescriptor& operator=(FileDescriptor&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~FileDescriptor();

    bool ok() const { return fd_ >= 0; }
    int get() const { return fd_; }

  private:
    int fd_ = -1;
};

/// "PATH: WHAT: reason of the error number".
base::Error file_error(const std::string& path, std::string_view what, int error_number);

/// Makes the folders above the path that are missing, mode 0750.
base::Result<void> make_folders_of(const std::string& path);

/// Makes a file, mode 0600, and syncs it and its folder; an error when there is one by that name.
base::Result<void> write_new_file(const std::string& path, std::string_view text);
/// Puts a file, mode 0600, in the place of the one by that name: readers and a crash find the old one or the
/// new one, whole.
base::Result<void> replace_file(const std::string& path, std::string_view text);

/// A file of a log that is no longer written.
struct OlderFile {
    std::uint64_t first;  ///< sequence number of its first record
    std::string path;
};
std::string older_file_name(const std::string& path, std::uint64_t first);
/// Those that lie beside `path`, oldest first.
std::vector<OlderFile> older_files(const std::string& path);

/// The file that records are appended to. One writer: it is locked. Control thread only.
class AppendFile {
  public:
    /// Opens the file, or makes it, mode 0600. Refuses links, and a file that another process appends to.
    static base::Result<AppendFile> open(const std::string& path);

    AppendFile() = default;
    bool is_open() const { return file_.ok(); }
    std::uint64_t size() const { return size_; }
    /// Whether this is the file that its path leads to; not after it was removed or renamed.
    bool in_place() const;

    /// All of the text, or nothing of it.
    base::Result<void> append(std::string_view text);
    /// Makes sure that so many bytes more will find room; where the file system cannot say, nothing.
    base::Result<void> reserve(std::uint64_t bytes);
    base::Result<void> cut_to(std::uint64_t size);
    base::Result<void> sync();

  private:
    std::string path_;
    FileDescriptor file_;
    std::uint64_t size_ = 0;
    std::uint64_t reserved_ = 0;  ///< bytes of the file that have their place on the disk
    bool torn_ = false;           ///< a part of a line may stand behind size_
};

/// The lines of a file, one after the other, in bounded memory.
class LineReader {
  public:
    struct Line {
        std::string_view text;  ///< without its newline; valid until the next call. Cut at kMaxLine
        std::uint64_t offset;   ///< of its first byte
        std::uint64_t bytes;    ///< with its newline
        bool complete;          ///< it has a newline
    };
    /// Longer lines are handed out cut to this.
    static constexpr std::size_t kMaxLine = 32768;

    static base::Result<LineReader> open(const std::string& path);
    /// Nothing at the end of the file. A failure to read it is an error.
    base::Result<std::optional<Line>> next();

  private:
    std::string path_;
    FileDescriptor file_;
    std::string buffer_;
    std::size_t begin_ = 0;
    std::uint64_t offset_ = 0;  ///< of buffer_[begin_]
};

}  // namespace yagura::control
