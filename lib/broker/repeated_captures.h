// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <string_view>

namespace yagura::broker {

/// Packets that a DPDK device keeps for itself out of the pool it is given, by its device string: net_pcap
/// with infinite_rx=1 reads its captures once and holds every packet of them. 0 for any other device, and for
/// captures that cannot be read: the device says why when it is opened.
std::uint32_t packets_kept_by(std::string_view device);

}  // namespace yagura::broker
