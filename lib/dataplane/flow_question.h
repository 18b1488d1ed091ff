// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "dataplane/poll_thread.h"
#include "dataplane/response.h"
#include "flow/tcp_state.h"
#include "net/flow_key.h"
#include "select/flow_standing.h"

namespace yagura::dataplane {

class SelectStage;

/// What a select lcore knows of one flow.
struct FlowFacts {
    net::FlowKey key;  ///< as in its first packet
    flow::TcpState state = flow::TcpState::kEstablished;
    bool answered = false;          ///< both directions were seen
    bool late_drop = false;         ///< a drop came after packets had been sent that it would have kept back
    bool incomplete = false;        ///< packets were let go that its tools should have got
    std::uint64_t idle_ns = 0;      ///< since its last packet, by the packets' clock, to 134 ms
    std::uint32_t epoch = 0;        ///< of the policy that it goes by (Pipeline::epoch()); 0: none any more
    select::FlowStanding standing;  ///< when there is one
    FlowResponse response;
};

/// Asks one select stage for the flows between two ends, which its thread looks up between two turns.
struct FlowQuestion {
    static constexpr unsigned kMost = 4;           ///< flows of one answer
    static constexpr std::uint32_t kLooks = 2048;  ///< entries that are gone through at most

    // The question.
    net::FlowKey key;  ///< either direction; without domain
    /// Flows are told apart by more than the key says: all entries are gone through, from `begin` on.
    bool any_domain = false;
    std::uint32_t begin = 0;

    // The answer, once `done`.
    std::array<FlowFacts, kMost> facts;
    unsigned count = 0;
    std::uint32_t next = 0;  ///< where to go on
    bool at_end = false;     ///< there is nothing behind

    std::atomic<bool> done{true};  ///< false while it is the stage's

    // Pipeline's.
    SelectStage* stage = nullptr;
    Message message{};
};

}  // namespace yagura::dataplane
