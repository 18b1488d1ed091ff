// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "app/alerts/alert.h"

namespace yagura::alerts {

enum class Action : std::uint8_t { kNone, kReset, kBlock };
/// What is blocked.
enum class What : std::uint8_t { kConnection, kSource, kDestination };

/// Bytes of a reason that yagura keeps.
inline constexpr std::size_t kMaxReason = 54;

/// What an entry of the map wants done.
struct Decision {
    Action action = Action::kNone;
    What what = What::kConnection;
    std::string ttl;     ///< "10m", or empty: for good
    std::string reason;  ///< empty: what raised the alert
};

/// Which call of yagura's carries it out.
enum class Method : std::uint8_t { kReset, kBlock, kAddBlocks };
std::string_view method_name(Method method);  ///< "flows.reset"
/// What the items of the call are named in it: "flows", "targets".
std::string_view list_name(Method method);
std::string_view short_name(Method method);  ///< for people: "reset", "block"

/// One thing to be done, and what for.
struct Verdict {
    Method method = Method::kReset;
    std::string item;    ///< a flow, or a host
    std::string ttl;     ///< of those who block; may be empty
    std::string reason;  ///< up to kMaxReason bytes
    std::string why;     ///< for people: "suricata 1:2003068 "ET SCAN""
    /// The alert by its flow's id, its signature and its time stamp, and what is to be done: the same alert
    /// read again is the same verdict.
    std::string identity;
};

/// Nothing when the alert does not have what the decision is about: its connection, or a host.
std::optional<Verdict> make_verdict(const Alert& alert, const Decision& decision);

/// The idempotency key of a call for these verdicts, in this order: the same ones have the same key.
std::string key_of(std::span<const Verdict> verdicts);

}  // namespace yagura::alerts
