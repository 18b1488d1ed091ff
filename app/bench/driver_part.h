// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <rte_mbuf.h>

#include <cstdint>

#include "port/packet.h"

namespace yagura::bench {

/// Fills in what a driver says of a packet, one of a port that is the only one. Its bytes are there.
inline void fill_driver_part(rte_mbuf* packet, std::uint32_t wire_length, std::uint64_t now_ns) {
    port::PacketMeta& m = port::meta(packet);
    m.timestamp_ns = m.order_time = now_ns;
    m.order_record = 0;
    m.order_file = 0;
    m.port = base::PortId(0);
    m.wire_length = wire_length;
}

}  // namespace yagura::bench
