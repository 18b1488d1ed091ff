// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "drivers/ethdev/device_string.h"

namespace yagura::ethdev {

/// What net_af_packet shares with the kernel: two rings of frames of one size, one for each direction. The
/// kernel cuts what is larger than a frame, and DPDK's driver tells nobody. Decision 0021.
struct PacketSocketRing {
    std::string iface;
    std::uint32_t frame_size = 0;   ///< bytes of a slot, with the kernel's header
    std::uint32_t frame_count = 0;  ///< of each ring
    unsigned queues = 1;            ///< each with its own two rings
    bool chosen = false;            ///< by us: the device string says nothing of sizes

    /// The longest frame that is received whole, in bytes; one of just this length may have been cut.
    std::uint32_t snap() const;
    /// The longest frame that fits for sending.
    std::uint32_t sendable() const;
    /// All rings: memory of the kernel that is locked, beside DPDK's.
    unsigned memory_mib() const;
};

/// Completes a net_af_packet device string where it says nothing of frames, so that segments of 64 KiB, which
/// virtual links carry, arrive whole; what it says is kept. `frames`: slots of all receive rings together
/// then. `queues`: that are read: there is a socket for each, and no other, for the kernel spreads what comes
/// over all. The error says what is wrong with the string.
base::Result<PacketSocketRing> complete_packet_socket(DeviceString& device, std::uint32_t frames,
                                                      unsigned queues = 1);

/// Whether a frame that is at least PacketSocketRing::snap() long is whole: its IP header says where it ends,
/// and that is within the frame. What does not say so may have been cut.
bool is_whole(base::Bytes frame);

/// Takes an error back that the kernel keeps for the next call.
void forget_error(int fd);

/// The packet sockets of this process: the driver gives its own to nobody. Ascending.
std::vector<int> packet_sockets();
/// The interface hears what is not for it, too, as long as the socket is open.
bool listen_to_all(int fd, const std::string& iface);
/// Frames that the kernel found no slot for since the last call; 0 also where the socket does not say.
std::uint64_t socket_drops(int fd);

/// An interface of the kernel, in this network namespace, as it is at the moment.
struct InterfaceState {
    unsigned index = 0;        ///< 0: there is none of this name
    bool up = false;           ///< and running
    bool promiscuous = false;  ///< by its own flag
    std::uint32_t mtu = 0;
};
InterfaceState interface_state(const std::string& name);

}  // namespace yagura::ethdev
