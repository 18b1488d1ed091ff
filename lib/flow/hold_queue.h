// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>

#include "flow/block_store.h"

namespace yagura::flow {

/// What is kept of a held packet beside its frame.
struct HeldPacket {
    std::uint64_t timestamp_ns;
    std::uint64_t order_time;  ///< place in capture order, as in port::PacketMeta
    std::uint64_t order_record;
    /// Bit per ToolId: tools whose copy has been offered, to them or to others instead, or kept back because
    /// they want no more of the flow.
    std::uint64_t offered;
    std::uint64_t gone_to;  ///< tools that it has been offered to
    std::uint64_t pending;  ///< of these: still to be released
    std::uint32_t own;      ///< the rules that hold for this packet and not for the whole session (select's)
    std::uint32_t counted;  ///< the rules that it has been counted for (select's)
    std::uint32_t size;     ///< bytes of the frame
    std::uint32_t wire_length;
    std::uint16_t order_file;
    std::uint16_t port;      ///< PortId
    std::uint8_t malformed;  ///< net::Malformed
    bool in_ledger;          ///< offered to no tool yet: its port's ledger has it as held
    bool ends_flow;          ///< FIN or RST: tools get it that want no more of the flow
    std::uint8_t spare = 0;  ///< so that there is no padding
};
static_assert(sizeof(HeldPacket) == 72);

/// The held packets of one flow, copied, in the order of their arrival. The blocks belong to the store: they
/// have to be freed there.
struct HoldQueue {
    BlockStore::Chain chain;  ///< HeldPacket, then its frame, again and again
    std::uint64_t bytes = 0;  ///< of frames
    std::uint32_t packets = 0;
    /// Every packet came by one port and is well-formed, in the ledger, and without rules of its own: their
    /// end is the same.
    bool uniform = true;
    std::uint16_t port = 0;  ///< of the first

    bool empty() const { return packets == 0; }

    /// Copies a packet to the end. False when the store has no room: nothing is kept.
    [[nodiscard]] bool push(BlockStore& store, const HeldPacket& packet, base::Bytes frame) {
        const base::Bytes pieces[] = {{reinterpret_cast<const std::uint8_t*>(&packet), sizeof packet}, frame};
        if (!store.append(chain, pieces)) return false;
        if (packets == 0) port = packet.port;
        uniform =
            uniform && packet.port == port && packet.malformed == 0 && packet.in_ledger && packet.own == 0;
        ++packets;
        bytes += packet.size;
        return true;
    }
};

}  // namespace yagura::flow
