// SPDX-License-Identifier: BSD-3-Clause
#include "drivers/pcap/capture_writer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <limits>
#include <utility>

#include "drivers/pcap/capture_record.h"

namespace yagura::pcap {
namespace {

constexpr std::size_t kBuffer = CaptureWriter::kMaxRaw;
static_assert(kBuffer >= CaptureWriter::kRecordHeader + kMaxCaptured);

void store_u32(std::uint8_t* p, std::uint32_t v) {
    std::memcpy(p, &v, sizeof v);
}
std::uint32_t load_u32(const std::uint8_t* p) {
    std::uint32_t v;
    std::memcpy(&v, p, sizeof v);
    return v;
}

bool is_regular(int fd) {
    struct stat status {};
    return fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

/// Returns how much was written; less than `size` only with errno set.
std::size_t write_all(int fd, const std::uint8_t* data, std::size_t size, std::uint64_t offset) {
    std::size_t done = 0;
    while (done < size) {
        const ssize_t n = pwrite(fd, data + done, size - done, static_cast<off_t>(offset + done));
        if (n > 0) {
            done += static_cast<std::size_t>(n);
        } else if (n == 0) {
            errno = ENOSPC;
            break;
        } else if (errno != EINTR) {
            break;
        }
    }
    return done;
}

std::array<std::uint8_t, CaptureWriter::kFileHeader> file_header(net::LinkType link_type) {
    std::array<std::uint8_t, CaptureWriter::kFileHeader> header{};
    store_u32(header.data(), 0xa1b23c4d);
    store_u32(header.data() + 4, 4u << 16 | 2u);  // version 2.4
    store_u32(header.data() + 16, kMaxCaptured);
    store_u32(header.data() + 20, static_cast<std::uint32_t>(link_type));
    return header;
}

}  // namespace

base::Result<std::unique_ptr<CaptureWriter>> CaptureWriter::create(std::string path,
                                                                   net::LinkType link_type) {
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) return base::Error{fmt::format("{}: cannot create: {}", path, std::strerror(errno))};
    std::unique_ptr<CaptureWriter> writer(new CaptureWriter(fd, std::move(path)));
    const auto header = file_header(link_type);
    if (write_all(fd, header.data(), header.size(), 0) < header.size()) {
        const int reason = errno;
        // A device or a pipe is not ours to remove.
        if (is_regular(fd)) unlink(writer->path_.c_str());
        if (reason == ESPIPE)
            return base::Error{
                fmt::format("{}: is a pipe or a socket: a capture needs a file", writer->path_)};
        return base::Error{fmt::format("{}: cannot write: {}", writer->path_, std::strerror(reason))};
    }
    writer->flushed_ = header.size();
    return writer;
}

CaptureWriter::CaptureWriter(int fd, std::string path)
    : fd_(fd), path_(std::move(path)), buffer_(std::make_unique_for_overwrite<std::uint8_t[]>(kBuffer)) {}

CaptureWriter::~CaptureWriter() {
    close(fd_);
}

std::uint8_t* CaptureWriter::reserve(std::size_t size) {
    if (failed()) return nullptr;
    if (used_ + size > kBuffer && !flush()) return nullptr;
    std::uint8_t* place = buffer_.get() + used_;
    used_ += size;
    return place;
}

std::uint8_t* CaptureWriter::add_record(std::uint64_t timestamp_ns, std::uint32_t captured,
                                        std::uint32_t wire) {
    if (captured > kMaxCaptured) {
        fail(fmt::format("{}: a packet of {} bytes is larger than a capture file may hold ({})", path_,
                         captured, kMaxCaptured));
        return nullptr;
    }
    std::uint8_t* record = reserve(kRecordHeader + captured);
    if (record == nullptr) return nullptr;
    constexpr std::uint64_t kSecond = 1'000'000'000;
    constexpr std::uint64_t kLast =
        std::uint64_t{std::numeric_limits<std::uint32_t>::max()} * kSecond + kSecond - 1;
    timestamp_ns = std::min(timestamp_ns, kLast);
    store_u32(record, static_cast<std::uint32_t>(timestamp_ns / kSecond));
    store_u32(record + 4, static_cast<std::uint32_t>(timestamp_ns % kSecond));
    store_u32(record + 8, captured);
    store_u32(record + 12, wire);
    ++written_.packets;
    written_.bytes += captured;
    return record + kRecordHeader;
}

std::uint8_t* CaptureWriter::add_raw(std::size_t size, std::size_t packets) {
    std::uint8_t* place = size > kMaxRaw ? nullptr : reserve(size);
    if (place == nullptr) return nullptr;
    written_.packets += packets;
    written_.bytes += size - packets * kRecordHeader;
    return place;
}

bool CaptureWriter::flush() {
    if (used_ == 0) return !failed();
    const std::size_t done = write_all(fd_, buffer_.get(), used_, flushed_);
    if (done < used_) {
        if (!failed()) error_ = fmt::format("{}: cannot write: {}", path_, std::strerror(errno));
        cut_back(done);
        return false;
    }
    flushed_ += used_;
    used_ = 0;
    return !failed();
}

/// The first `on_disk` bytes of the buffer were written: keeps those of them that are whole records.
void CaptureWriter::cut_back(std::size_t on_disk) {
    std::size_t kept = 0;
    for (std::size_t at = 0; at < used_;) {
        const std::uint32_t captured = load_u32(buffer_.get() + at + 8);
        at += kRecordHeader + captured;
        if (at <= on_disk) {
            kept = at;
        } else {
            --written_.packets;
            written_.bytes -= captured;
            ++lost_.packets;
            lost_.bytes += captured;
        }
    }
    flushed_ += kept;
    used_ = 0;
    if (ftruncate(fd_, static_cast<off_t>(flushed_)) != 0) {
        error_ += fmt::format("; and cannot cut off the broken record at offset {}: {}", flushed_,
                              std::strerror(errno));
    }
}

bool CaptureWriter::read_back(std::uint64_t offset, std::uint8_t* to, std::size_t size,
                              std::string& problem) const {
    while (size > 0) {
        const ssize_t n = pread(fd_, to, size, static_cast<off_t>(offset));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            problem = fmt::format("{}: cannot read back at offset {}: {}", path_, offset,
                                  n == 0 ? "the file has been cut by someone else" : std::strerror(errno));
            return false;
        }
        to += n;
        offset += static_cast<std::uint64_t>(n);
        size -= static_cast<std::size_t>(n);
    }
    return true;
}

void CaptureWriter::fail(std::string reason) {
    if (error_.empty()) error_ = std::move(reason);
}

}  // namespace yagura::pcap
