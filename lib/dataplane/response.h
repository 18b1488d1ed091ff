// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <rte_mempool.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/counter.h"
#include "base/ids.h"
#include "dataplane/poll_thread.h"
#include "net/flow_key.h"
#include "port/driver.h"
#include "reset/block_list.h"
#include "reset/encapsulation.h"
#include "reset/kill_machine.h"
#include "reset/mark.h"
#include "reset/never_cut.h"
#include "rules/response.h"

namespace yagura::dataplane {

class SelectStage;

/// What becomes of verdicts.
enum class ResponseMode : std::uint8_t {
    kOff,     ///< they are refused, and nothing is sent, not even for what has begun
    kDryRun,  ///< they are told, and nothing is sent
    kOn,
};

/// What all select stages need to cut connections. It outlives them.
struct ResponseSettings {
    reset::KillSettings kills;  ///< of all stages together
    reset::MarkKey secret{};
    reset::NeverCut never;
    const reset::BlockList* blocks = nullptr;
    /// One more with each change that may block somebody who was not: flows that are there are asked anew.
    const std::atomic<std::uint64_t>* block_changes = nullptr;
    const std::atomic<ResponseMode>* mode = nullptr;
    rte_mempool* pool = nullptr;  ///< a PacketPool's: of frames of our own, and nothing else
};

/// How frames of our own leave by a network port.
struct InjectPort {
    port::TxQueue* queue = nullptr;  ///< null: none does
    /// By which an end is reached whose own port is not known; a routed port: by which all are, and none by
    /// this one.
    std::optional<base::PortId> other{};
    std::optional<reset::LinkAddresses> link{};  ///< a routed port's
};

enum class ResponseAction : std::uint8_t {
    kReset,
    kShunt,    ///< these tools get no more of it, but its end
    kRelease,  ///< they get it again
};
/// Who wanted it.
enum class ResponseCause : std::uint8_t { kControl, kRule, kBlock, kTool };
inline constexpr std::size_t kResponseCauses = 4;

/// A verdict on its way to the lcore of its flow.
struct ResponseRequest {
    net::FlowKey key;  ///< either direction; without domain
    ResponseAction action = ResponseAction::kReset;
    std::uint64_t tools = 0;       ///< of a shunt or release: bit per ToolId
    std::uint64_t cookie = 0;      ///< comes back in the report; not 0
    std::uint64_t verdict_ns = 0;  ///< when it was said, since the epoch
    bool dry_run = false;          ///< of a reset: it is told what would be, and nothing is sent
};

/// What became of one. Of a request each select stage makes one, and those that have no such flow say so.
struct ResponseReport {
    enum class Why : std::uint8_t { kNone, kNeverCut, kOff };
    /// A tool that has been removed since: its id may be another's by now.
    static constexpr std::uint64_t kRemovedTool = base::kMaxTools;

    net::FlowKey key;          ///< from the one who opened the flow
    std::uint64_t cookie = 0;  ///< 0: nobody waits for it
    ResponseAction action = ResponseAction::kReset;
    ResponseCause cause = ResponseCause::kControl;
    std::uint64_t source = 0;  ///< a rule's id; a ToolId, or kRemovedTool
    bool found = true;
    Why why = Why::kNone;  ///< of a refusal
    /// Comes at once, besides the report of what became of it: a rule wants this blocked.
    std::optional<rules::BlockAction> block{};
    reset::KillReport kill{};  ///< of a reset
};

/// What is being done about a flow, for those who ask.
struct FlowResponse {
    enum class Cut : std::uint8_t {
        kNone,
        kGoesOn,
        kOver,     ///< it has been cut, or has ended by itself
        kRefused,  ///< it must not be, or it cannot be, as was told
    };
    std::uint64_t shunted = 0;  ///< bit per ToolId that wants no more of it
    Cut cut = Cut::kNone;
    ResponseCause cause = ResponseCause::kControl;  ///< of one that goes on
    std::uint64_t source = 0;                       ///< likewise, as in ResponseReport
};

/// Brings requests to a select stage and takes reports from it.
struct ResponseExchange {
    static constexpr unsigned kMost = 256;

    std::array<ResponseRequest, kMost> requests;
    unsigned request_count = 0;

    // The answer, once `done`.
    std::array<ResponseReport, 2 * kMost> reports;
    unsigned report_count = 0;
    unsigned requests_done = 0;  ///< the first so many; the others found no room and may come again

    std::atomic<bool> done{true};  ///< false while it is the stage's

    // Pipeline's.
    SelectStage* stage = nullptr;
    Message message{};
};

/// What a stage counts. Any thread reads.
struct ResponseCounters {
    std::array<base::Counter, static_cast<std::size_t>(reset::Outcome::kCount)> outcomes;  ///< of resets
    std::array<base::Counter, kResponseCauses> verdicts;                                   ///< by cause
    std::array<base::Counter, static_cast<std::size_t>(reset::Refusal::kCount)> unmade;    ///< frames
    base::Counter no_buffer;    ///< frames that were not made for want of one
    base::Counter no_path;      ///< frames that had no port to leave by any more
    base::Counter suppressed;   ///< frames that were not made because of the mode
    base::Counter untracked;    ///< packets whose rules cut, and whose flow found no room
    base::Counter unreported;   ///< reports that found no room
    base::Counter errors;       ///< ICMP errors made
    base::Counter fronts_full;  ///< directions whose front found no room: they are not reached
    struct Heard {
        base::Counter verdicts;
        base::Counter not_found;  ///< for a flow that is not there
        base::Counter not_given;  ///< for one that the tool has not got
    };
    std::array<Heard, base::kMaxTools> heard;  ///< by ToolId, what its verdicts came to
};

/// Frames of our own on their way to a network port: made = sent + shed + queued.
struct InjectCounters {
    base::PacketCounter made;
    base::PacketCounter shed;  ///< ring_full
};

}  // namespace yagura::dataplane
