// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "base/counter.h"
#include "base/result.h"
#include "net/parser.h"

namespace yagura::pcap {

/// Packets and their captured bytes (headers of the file format not counted).
/// Writes one nanosecond pcap file (magic a1b23c4d, little endian, snaplen 262144) through a buffer of 1 MiB.
/// What is on disk always ends with a whole record: when a write fails, the file is cut back to the last one
/// and nothing more is taken. One thread.
class CaptureWriter {
  public:
    static constexpr std::size_t kFileHeader = 24;
    static constexpr std::size_t kRecordHeader = 16;

    /// Makes or empties the file and writes its header. The error names the file.
    static base::Result<std::unique_ptr<CaptureWriter>> create(std::string path, net::LinkType link_type);
    /// Closes without flush().
    ~CaptureWriter();
    CaptureWriter(const CaptureWriter&) = delete;
    CaptureWriter& operator=(const CaptureWriter&) = delete;

    /// Adds a record and returns the place for its `captured` bytes of packet, which the caller must fill
    /// before the next call. Null after an error, or if the record is too large for a capture (an error
    /// then). A time stamp beyond the year 2106 is written as the last that the format can hold.
    std::uint8_t* add_record(std::uint64_t timestamp_ns, std::uint32_t captured, std::uint32_t wire);

    /// Adds records as they stand in another file of this format: returns the place for `packets` whole
    /// records of `size` bytes together, headers included. Null after an error, or if `size` is above
    /// kMaxRaw.
    std::uint8_t* add_raw(std::size_t size, std::size_t packets);
    static constexpr std::size_t kMaxRaw = std::size_t{1} << 20;

    /// Writes what is buffered. False after an error.
    bool flush();

    /// Reads back what was added and flushed. False if it cannot, with the reason in `problem`.
    bool read_back(std::uint64_t offset, std::uint8_t* to, std::size_t size, std::string& problem) const;

    /// Takes no more packets, for a reason outside this file (its index, say). What is buffered is still
    /// written.
    void fail(std::string reason);

    bool failed() const { return !error_.empty(); }
    /// "PATH: cannot write: No space left on device"; empty if none.
    const std::string& error() const { return error_; }

    /// Where the next record will stand in the file. After an error: where the last whole record ends.
    std::uint64_t offset() const { return flushed_ + used_; }
    /// Added and not lost by an error.
    const base::Count& written() const { return written_; }
    /// Added, then lost by a write that failed.
    const base::Count& lost() const { return lost_; }
    const std::string& path() const { return path_; }

  private:
    CaptureWriter(int fd, std::string path);
    std::uint8_t* reserve(std::size_t size);
    void cut_back(std::size_t on_disk);

    int fd_;
    std::string path_;
    std::string error_;
    std::unique_ptr<std::uint8_t[]> buffer_;
    std::size_t used_ = 0;       ///< of buffer_, which begins and ends with whole records
    std::uint64_t flushed_ = 0;  ///< bytes of the file before buffer_
    base::Count written_;
    base::Count lost_;
};

}  // namespace yagura::pcap
