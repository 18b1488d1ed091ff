// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <type_traits>

#include "base/bytes.h"
#include "base/counter.h"
#include "flow/block_store.h"
#include "flow/run_list.h"
#include "net/fragment.h"

namespace yagura::flow {

/// Of all assemblers of one thread, which writes; any may read.
struct AssemblyCounters {
    base::Counter datagrams;   ///< that became whole
    base::Counter incomplete;  ///< that gave way, or whose flow ended, before they were whole
    base::Counter no_room;     ///< that were let go for want of room
    base::Counter overlaps;    ///< fragments with bytes that had been seen: the first ones stay
    base::Counter overlap_bytes;
    base::Counter contradictions;  ///< fragments that end beyond the datagram, or elsewhere than the last one
    base::Counter damaged;         ///< fragments that no datagram can have (RFC 8200, 4.5)
};

/// Puts the fragmented datagrams of one flow together, to be matched; frames are not touched. 12 bytes; what
/// waits is in the BlockStore.
///
/// First wins: of bytes that overlap, those that came first are matched. RFC 5722 and RFC 8200 have the
/// receiver discard such a datagram; yagura does not deliver it, and the frames that a tool gets say the
/// rest.
///
/// At most kMostDatagrams are in progress: the one that began first gives way. So does one that began
/// kMostAge datagrams ago, because the numbers of IPv4 datagrams come round. One needs at most
/// RunList::kMostRuns runs of fragments that do not touch, and room in the store, or it is let go. Nothing is
/// given of a datagram that is not whole; one of which a snap length cut a fragment never is.
class DatagramAssembler {
  public:
    static constexpr std::uint8_t kMostDatagrams = 8;
    static constexpr std::uint16_t kMostAge = 64;
    static constexpr std::size_t kMostBytes = 65535;

    /// A whole IP payload, from the transport header (or an IPv6 extension header) on.
    struct Datagram {
        std::uint8_t proto;  ///< of its first header: net::read_transport()
        base::Bytes bytes;   ///< in the caller's buffer
    };

    /// Takes a fragment of a direction (0 or 1) of the flow. Gives the datagram that it completes. `buffer`
    /// has kMostBytes, and is written to only then.
    std::optional<Datagram> offer(const net::FragmentPart& fragment, unsigned direction, BlockStore& store,
                                  std::span<std::uint8_t> buffer, AssemblyCounters& counters);

    /// Lets go of what is not whole. To be called before an assembler that may have some is forgotten.
    void clear(BlockStore& store, AssemblyCounters& counters);

    bool empty() const { return count_ == 0; }

  private:
    struct Progress;
    struct Table;

    BlockStore::Chain table_;  ///< kMostDatagrams places, the first count_ in use; the oldest first
    std::uint16_t begun_ = 0;  ///< datagrams, modulo 2^16
    std::uint8_t count_ = 0;
};
static_assert(sizeof(DatagramAssembler) == 12 && std::is_trivially_copyable_v<DatagramAssembler>);

}  // namespace yagura::flow
