// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstdint>

#include "select/drop_reason.h"

namespace yagura::select {

/// Where a flow stands with the rules of one policy, copied, for somebody who asks about this one flow.
struct FlowStanding {
    /// The ids of the first rules of a list that may be longer.
    struct Rules {
        static constexpr std::size_t kMost = 64;
        std::array<std::uint64_t, kMost> ids{};
        std::uint32_t count = 0;  ///< of all, also those that are not here

        void add(std::uint64_t id) {
            if (count < kMost) ids[count] = id;
            ++count;
        }
    };
    /// A direction of the payload; of anything but TCP the bytes of its datagrams.
    struct Direction {
        bool begun = false;  ///< TCP: a SYN, a FIN or a byte was seen
        bool ended = false;  ///< no more of it is matched: its end or the stream depth was reached
        std::uint64_t matched = 0;
        std::uint32_t waiting = 0;  ///< bytes that came before those in front of them
    };

    std::uint64_t tools = 0;                ///< bit per ToolId that gets what comes
    std::uint64_t offered = 0;              ///< that was offered a packet of it
    DropReason reason = DropReason::kNone;  ///< of what comes, when there are no tools
    Rules in_effect;                        ///< for all of it
    Rules waiting;                          ///< hold, but stand behind a drop that is open
    Rules open;                             ///< payload rules that may still become true, or turn out not to
    bool decided = false;
    bool asks_packets = false;   ///< rules are asked of each packet, besides
    bool awaits_answer = false;  ///< a rule of scope onward holds for the direction not yet seen
    bool inspected = false;      ///< what follows is told
    bool hold_full = false;      ///< as much is held as may be
    std::uint32_t held_packets = 0;
    std::uint64_t held_bytes = 0;
    std::array<Direction, 2> directions;  ///< 0: that of its first packet
};

}  // namespace yagura::select
