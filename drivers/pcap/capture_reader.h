// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "base/result.h"
#include "drivers/pcap/capture_record.h"
#include "drivers/pcap/classic_format.h"
#include "drivers/pcap/file_input.h"
#include "drivers/pcap/pcapng_format.h"

namespace yagura::pcap {

/// Where and why the reading of a file ended before its end.
struct Damage {
    std::uint64_t offset = 0;  ///< of the record or block, in bytes from the start of the file
    std::uint64_t record = 0;  ///< number of the record that could not be read, from 1
    std::string text;          ///< the whole sentence: file, offset, record, what is wrong
};

/// The packets of one capture file, classic pcap or pcapng, in the order of the file. No allocation per
/// record. One thread at a time.
class CaptureReader {
  public:
    static constexpr std::size_t kBufferSize = std::size_t{1} << 20;
    static constexpr std::size_t kMinBufferSize = PcapngFormat::kMaxBlock;

    /// Only regular files: a capture is read more than once. The error names the file and, where it can, what
    /// the file is instead. A classic file must have a supported link type; of a pcapng file that is a
    /// property of each interface.
    static base::Result<CaptureReader> open(const std::string& path, std::size_t buffer_size = kBufferSize);

    /// As open(), from the current position of a descriptor, which is taken over. `name` stands for the path
    /// in messages.
    static base::Result<CaptureReader> from_descriptor(int fd, std::string name,
                                                       std::size_t buffer_size = kBufferSize);

    /// Reads the next packet. After kEnd or kDamaged it says the same again and reads nothing.
    ReadStatus next(Record& record);

    /// Only after kDamaged.
    const Damage& damage() const { return damage_; }

    /// Of the packets so far; pcapng may describe more as it goes on. Never empty once a packet was read.
    std::span<const Interface> interfaces() const;

    /// One interface, known from the header on.
    bool is_classic() const { return std::holds_alternative<ClassicFormat>(format_); }

    const std::string& path() const { return path_; }
    std::uint64_t records() const { return records_; }            ///< read so far
    std::uint64_t bytes_read() const { return input_.offset(); }  ///< of the file, for progress
    std::uint64_t total_bytes() const { return input_.size(); }   ///< when it was opened

  private:
    using Format = std::variant<ClassicFormat, PcapngFormat>;
    CaptureReader(FileInput input, Format format, std::string path)
        : input_(std::move(input)), format_(std::move(format)), path_(std::move(path)) {}

    FileInput input_;
    Format format_;
    std::string path_;
    ReadStatus status_ = ReadStatus::kRecord;
    std::uint64_t records_ = 0;
    Damage damage_;
};

/// The interfaces of a file with the number of packets of each: what must be known before a run starts. Reads
/// a pcapng file to its end or to its damage (which whoever reads it later will report); of a classic file,
/// which says all in its header, only the first record.
base::Result<std::vector<Interface>> survey(const std::string& path);

}  // namespace yagura::pcap
