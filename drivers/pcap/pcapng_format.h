// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <vector>

#include "base/result.h"
#include "drivers/pcap/capture_record.h"
#include "drivers/pcap/file_input.h"

namespace yagura::pcap {

/// pcapng, version 1 (draft-ietf-opsawg-pcapng): any number of sections, each in its byte order, with any
/// number of interfaces. Packets are read from Enhanced, Simple and (obsolete) Packet Blocks; blocks that
/// bring no packets are passed over.
class PcapngFormat {
  public:
    /// Longer packet, section and interface blocks are damage: room for the largest packet and 64 KiB of
    /// options.
    static constexpr std::uint32_t kMaxBlock = kMaxCaptured + 65536;
    /// In one file, over all sections.
    static constexpr std::size_t kMaxInterfaces = 65536;

    static bool recognises(base::Bytes first_four);

    /// Reads the first section header. The error lacks the file's name.
    static base::Result<PcapngFormat> open(FileInput& in);

    ReadStatus next(FileInput& in, Record& record, Problem& problem);

    /// Those of all sections so far, in the order of the file.
    std::vector<Interface>& interfaces() { return interfaces_; }
    const std::vector<Interface>& interfaces() const { return interfaces_; }

  private:
    /// The three shapes of packet block, brought to one.
    struct PacketFields {
        std::uint32_t interface;  ///< in the section
        std::uint64_t ticks;
        std::uint32_t captured;
        std::uint32_t wire;
        base::Bytes rest;  ///< packet data and what follows it
    };

    bool begin_section(FileInput& in, std::string& problem);
    bool read_block(FileInput& in, std::uint32_t length, base::Bytes& block, std::string& problem) const;
    bool skip_block(FileInput& in, std::uint32_t length, std::string& problem) const;
    bool add_interface(base::Bytes body, std::string& problem);
    bool read_interface_options(base::Bytes options, Interface& interface, std::string& problem) const;
    bool read_packet(std::uint32_t type, base::Bytes body, Record& record, std::string& problem) const;
    bool packet_fields(std::uint32_t type, base::Bytes body, PacketFields& fields) const;

    FileOrder order_;
    bool unsupported_ = false;       ///< a section of another version: whole, but not for us
    std::size_t section_begin_ = 0;  ///< first interface of the current section
    std::vector<Interface> interfaces_;
};

}  // namespace yagura::pcap
