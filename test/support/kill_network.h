// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <queue>
#include <string>
#include <vector>

#include "reset/kill_machine.h"
#include "support/random.h"
#include "support/tcp_model.h"

namespace yagura::test {

/// What is between two endpoints, and beside them. Times in ns.
struct KillNetwork {
    std::string name;
    std::array<ModelApplication, 2> applications{};  ///< of the client, of the server
    bool answers = true;                             ///< there is a server
    std::uint64_t leg_delay = 50'000;                ///< from an end to the tap
    std::uint64_t jitter = 0;                        ///< more than that, at random: disorder
    std::uint64_t spacing = 0;                       ///< of segments on a leg: its speed; without jitter
    double loss = 0;                                 ///< on each leg
    double tap_loss = 0;
    std::array<bool, 2> seen{true, true};      ///< the tap shows what this end sends
    std::uint64_t watch_from = 0;              ///< nothing is known of what was before
    std::array<std::uint8_t, 2> frames{1, 1};  ///< that a segment to each end takes; 0: none can be sent
    std::uint64_t verdict_at = 100'000'000;
    std::uint32_t spoofed = 0;  ///< segments of an outsider around the verdict
    bool near_wrap = false;     ///< numbers that wrap around soon
    bool firewall = false;      ///< an end that knows no connection says nothing
};

struct KillOutcome {
    std::optional<reset::KillReport> report;
    reset::Outcome started = reset::Outcome::kRunning;
    std::array<bool, 2> dead{};
    std::array<std::uint64_t, 2> died_at{};  ///< after the verdict
    std::uint64_t received = 0;              ///< by both applications, after the report
    std::uint32_t shots = 0;
    std::uint64_t ended_at = 0;  ///< when the report came, after the verdict
};

/// Runs a connection through its network until the verdict's report is there, and some time longer. The same
/// seed gives the same.
KillOutcome run_kill(const KillNetwork& network, const reset::KillSettings& settings, std::uint64_t seed);

}  // namespace yagura::test
