// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "net/parser.h"

namespace yagura::pcap {

/// A record that claims more captured bytes than this is damage (libpcap's MAXIMUM_SNAPLEN).
inline constexpr std::uint32_t kMaxCaptured = 262144;

/// One packet of a capture file.
struct Record {
    std::uint64_t offset;  ///< of the record or block in the file
    std::uint64_t
        timestamp_ns;           ///< since the epoch; held at the ends of its range; 0 where the file has none
    std::uint32_t wire_length;  ///< never less than data.size()
    std::uint32_t interface;    ///< index into the file's interfaces
    base::Bytes data;           ///< as captured; valid until the next record is read
};

enum class ReadStatus { kRecord, kEnd, kDamaged };

/// How an interface of a pcapng file counts time (if_tsresol, if_tsoffset).
struct TimeUnit {
    bool binary = false;        ///< ticks of 2^-exponent seconds, else 10^-exponent
    std::uint8_t exponent = 6;  ///< 0 to 127
    std::int64_t offset_s = 0;  ///< added, seconds

    /// Nanoseconds since the epoch, rounded down, held within the range of the result.
    std::uint64_t to_ns(std::uint64_t ticks) const;
};

/// Where packets of a capture file come from. A classic pcap file has one without a name.
struct Interface {
    std::uint16_t link_number = 0;           ///< as in the file, without the flags of the upper half
    std::optional<net::LinkType> link_type;  ///< none: not supported
    std::uint32_t snap_length = 0;           ///< 0: no limit
    std::string name;                        ///< printable ASCII, "" if the file gives none
    TimeUnit time_unit;
    std::uint64_t records = 0;  ///< read so far
};

/// What is wrong with a file, and where.
struct Problem {
    std::uint64_t offset = 0;  ///< of the record or block
    std::string text;
};

/// Loads in the byte order of the file or section.
struct FileOrder {
    bool big = false;

    std::uint16_t u16(const std::uint8_t* p) const {
        std::uint16_t v;
        std::memcpy(&v, p, sizeof v);
        return big ? __builtin_bswap16(v) : v;
    }
    std::uint32_t u32(const std::uint8_t* p) const {
        std::uint32_t v;
        std::memcpy(&v, p, sizeof v);
        return big ? __builtin_bswap32(v) : v;
    }
    std::uint64_t u64(const std::uint8_t* p) const {
        const std::uint64_t v = base::load_u64(p);
        return big ? __builtin_bswap64(v) : v;
    }
};

}  // namespace yagura::pcap
