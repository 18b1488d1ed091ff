// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "drivers/pcap/capture_reader.h"

namespace yagura::pcap::testing {

struct Packet {
    std::uint64_t timestamp_ns;
    std::uint32_t wire_length;
    std::uint32_t interface;
    std::string data;
    bool operator==(const Packet&) const = default;
};
inline std::ostream& operator<<(std::ostream& out, const Packet& p) {
    return out << p.timestamp_ns << " wire " << p.wire_length << " interface " << p.interface << " captured "
               << p.data.size();
}

struct Reading {
    std::string open_error;
    std::vector<Packet> packets;
    std::string damage;  ///< text, or empty
    std::uint64_t bytes_read = 0;
};

inline Reading read_all(const std::string& path) {
    Reading reading;
    auto reader = CaptureReader::open(path);
    if (!reader) {
        reading.open_error = reader.error().message;
        return reading;
    }
    Record record;
    ReadStatus status;
    while ((status = reader->next(record)) == ReadStatus::kRecord) {
        reading.packets.push_back({record.timestamp_ns, record.wire_length, record.interface,
                                   std::string(record.data.begin(), record.data.end())});
    }
    if (status == ReadStatus::kDamaged) reading.damage = reader->damage().text;
    // It is final.
    if (reader->next(record) != status) reading.damage += " (but read on)";
    reading.bytes_read = reader->bytes_read();
    return reading;
}

}  // namespace yagura::pcap::testing
