// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <rte_mbuf.h>

#include <cstdint>
#include <cstring>

namespace yagura::pcap {

/// Copies the bytes of all segments; `to` has room for rte_pktmbuf_pkt_len().
inline void copy_packet(const rte_mbuf* packet, std::uint8_t* to) {
    for (const rte_mbuf* segment = packet; segment != nullptr; segment = segment->next) {
        std::memcpy(to, rte_pktmbuf_mtod(segment, const std::uint8_t*), segment->data_len);
        to += segment->data_len;
    }
}

}  // namespace yagura::pcap
