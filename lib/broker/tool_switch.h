// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "broker/live_run.h"
#include "broker/policy_queue.h"
#include "broker/worker.h"
#include "control/json_rpc.h"

namespace yagura::broker {

/// Switches a tool for another one while the run goes on, at once or after a time in which both get the same.
/// The configuration in effect names the new tool from the switch on; the mirror is no part of it, and ends
/// with whatever brings another version into effect, and with the run. The control thread's.
class ToolSwitch {
  public:
    using Clock = std::chrono::steady_clock;
    /// Gets what came of it, on the control thread, as the answer of the control socket.
    using Done = std::function<void(const control::Outcome&)>;
    static constexpr std::chrono::hours kMaxMirror{24};

    ToolSwitch(LiveRun& run, Worker& worker, PolicyQueue& queue)
        : run_(run), worker_(worker), queue_(queue) {}

    struct Wish {
        base::ToolId from;
        base::ToolId to;
        std::chrono::nanoseconds mirror{0};  ///< 0: none
    };
    /// rules::switch_tool() of the configuration in effect. The wish of which the mirror runs sets its end
    /// anew. The worker has room, and the queue.
    void begin(const Wish& wish, ConfigOrigin origin, Done done);

    struct Mirroring {
        Wish wish;
        std::string from;
        std::string to;
        std::uint32_t epoch;  ///< Pipeline::epoch() while it runs
        Clock::time_point ends;
        std::chrono::system_clock::time_point ends_at;         ///< the same
        std::shared_ptr<const select::PolicySnapshot> policy;  ///< without it
    };
    /// The mirror that runs.
    const std::optional<Mirroring>& mirroring() const { return mirroring_; }

    /// The end of a mirror.
    struct End {
        std::string object;   ///< "ids0 to ids0b"
        std::string outcome;  ///< in words
    };
    /// Ends a mirror whose time is over. It goes on a little while payload is inspected that began before the
    /// switch: that would be cut short. Each turn.
    std::optional<End> tick(Clock::time_point now);

  private:
    struct Prepared;
    control::Outcome bring_into_effect(const Wish& wish, Prepared& prepared, const ConfigOrigin& origin,
                                       Clock::time_point asked);
    bool mirrors(const Wish& wish) const;
    control::Outcome set_end(const Wish& wish);

    LiveRun& run_;
    Worker& worker_;
    PolicyQueue& queue_;
    std::optional<Mirroring> mirroring_;
};

}  // namespace yagura::broker
