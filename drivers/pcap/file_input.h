// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/bytes.h"

namespace yagura::pcap {

/// A file read from front to end through one buffer. Not a memory map: a file that is cut while it is read
/// must end early, not raise SIGBUS. One thread.
class FileInput {
  public:
    /// Takes over `fd`. No peek() may ask for more than `buffer_size` bytes.
    FileInput(int fd, std::size_t buffer_size);
    ~FileInput();
    FileInput(FileInput&& other) noexcept;
    FileInput& operator=(FileInput&&) = delete;

    /// The next `n` bytes, fewer only where the file ends (or cannot be read, see error()). They stay valid
    /// until the next peek() or skip().
    base::Bytes peek(std::size_t n) {
        if (end_ - begin_ < n) fill(n);
        return {buffer_.get() + begin_, n < end_ - begin_ ? n : end_ - begin_};
    }

    /// Goes past bytes that peek() has shown.
    void consume(std::size_t n) {
        begin_ += n;
        offset_ += n;
    }

    /// Goes past `n` bytes; returns how many there were.
    std::uint64_t skip(std::uint64_t n);

    /// Place in the file of the next byte.
    std::uint64_t offset() const { return offset_; }
    /// Size of the file when it was opened; 0 if unknown.
    std::uint64_t size() const { return size_; }
    /// errno of the read that failed, or 0.
    int error() const { return error_; }

  private:
    void fill(std::size_t n);

    int fd_;
    int error_ = 0;
    std::size_t capacity_;
    std::unique_ptr<std::uint8_t[]> buffer_;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    std::uint64_t offset_ = 0;
    std::uint64_t size_ = 0;
};

}  // namespace yagura::pcap
