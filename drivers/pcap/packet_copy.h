// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <rte_mbuf.h>

#include <cstdint>
#include <cstring>

#include "drivers/pcap/capture_writer.h"
#include "port/packet.h"

namespace yagura::pcap {

/// Copies the bytes of all segments; `to` has room for rte_pktmbuf_pkt_len().
inline void copy_packet(const rte_mbuf* packet, std::uint8_t* to) {
    for (const rte_mbuf* segment = packet; segment != nullptr; segment = segment->next) {
        std::memcpy(to, rte_pktmbuf_mtod(segment, const std::uint8_t*), segment->data_len);
        to += segment->data_len;
    }
}

/// Adds the packet with its own time stamp and length on the wire. False if the writer has failed.
inline bool write_packet(CaptureWriter& writer, const rte_mbuf* packet) {
    const port::PacketMeta& meta = port::meta(packet);
    std::uint8_t* place = writer.add_record(meta.timestamp_ns, rte_pktmbuf_pkt_len(packet), meta.wire_length);
    if (place == nullptr) return false;
    copy_packet(packet, place);
    return true;
}

}  // namespace yagura::pcap
