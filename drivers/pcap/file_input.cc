// SPDX-License-Identifier: BSD-3-Clause
#include "drivers/pcap/file_input.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace yagura::pcap {

FileInput::FileInput(int fd, std::size_t buffer_size)
    : fd_(fd), capacity_(buffer_size), buffer_(std::make_unique_for_overwrite<std::uint8_t[]>(buffer_size)) {
    struct stat status {};
    if (fstat(fd_, &status) == 0) size_ = static_cast<std::uint64_t>(status.st_size);
    posix_fadvise(fd_, 0, 0, POSIX_FADV_SEQUENTIAL);
}

FileInput::~FileInput() {
    if (fd_ >= 0) close(fd_);
}

FileInput::FileInput(FileInput&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      error_(other.error_),
      capacity_(other.capacity_),
      buffer_(std::move(other.buffer_)),
      begin_(other.begin_),
      end_(other.end_),
      offset_(other.offset_),
      size_(other.size_) {}

void FileInput::fill(std::size_t n) {
    if (begin_ != 0) {
        std::memmove(buffer_.get(), buffer_.get() + begin_, end_ - begin_);
        end_ -= begin_;
        begin_ = 0;
    }
    while (end_ < n && error_ == 0) {
        const ssize_t got = read(fd_, buffer_.get() + end_, capacity_ - end_);
        if (got > 0) {
            end_ += static_cast<std::size_t>(got);
        } else if (got == 0) {
            return;
        } else if (errno != EINTR) {
            error_ = errno;
        }
    }
}

std::uint64_t FileInput::skip(std::uint64_t n) {
    std::uint64_t done = 0;
    while (done < n) {
        const base::Bytes bytes =
            peek(static_cast<std::size_t>(std::min<std::uint64_t>(n - done, capacity_)));
        if (bytes.empty()) break;
        consume(bytes.size());
        done += bytes.size();
    }
    return done;
}

}  // namespace yagura::pcap
