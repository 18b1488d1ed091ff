// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "drivers/loop/loop.h"
#include "support/payload_rules.h"
#include "support/wire_form.h"

namespace yagura::test {

/// One conversation in one form, and who should get it.
struct WireSession {
    std::string description;
    WireCase wire;
    unsigned tools = 0;  ///< bits
    std::uint8_t proto = 0;
    std::uint16_t port = 0;  ///< of the server
    bool follows = false;    ///< begins when the one before it has ended, between the same two ports
};

/// In a shallow batch streams are looked into for so many bytes.
inline constexpr std::uint64_t kShallow = 401;

/// Cases whose packets are mixed into one run.
struct WireBatch {
    std::uint64_t seed = 0;
    const RuleList* rules = nullptr;
    bool shallow = false;
    bool by_payload = true;
    std::vector<WireSession> cases;
    struct Place {
        std::uint32_t which, packet;
    };
    std::vector<Place> order;  ///< packet n of the run; its time stamp is n + 1 microseconds

    std::vector<loop::Frame> frames() const;
};

/// Conversations in several forms each, and once more to a port that no rule wants; behind some of them
/// another conversation between the same ports. About 320 cases. `rules`: those of rule_lists() in turn, if
/// null.
WireBatch make_batch(std::uint64_t seed, const RuleList* rules = nullptr);

/// The seed that YAGURA_SEED names.
std::optional<std::uint64_t> only_seed();

}  // namespace yagura::test
