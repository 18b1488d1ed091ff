// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <string_view>

namespace yagura::reset {

/// What became of a verdict that a connection is to be cut.
enum class Outcome : std::uint8_t {
    kRunning = 0,
    kVerified,     ///< cut, and seen to be: an end has answered with a RST of its own
    kUnverified,   ///< all was done, and nothing proves that it is dead
    kTooLate,      ///< it had ended by itself
    kNoPath,       ///< neither end can be reached
    kNotFound,     ///< there is no such flow
    kNotTcp,       ///< it cannot be cut
    kRateLimited,  ///< too many at a time
    kRefused,      ///< never to be cut, or no right to do it
    kDryRun,       ///< it would have been cut
    kCount
};
std::string_view outcome_name(Outcome outcome);  ///< "verified", ...

/// How the end was seen.
enum class Seen : std::uint8_t {
    kNothing = 0,
    kBothReset,   ///< each end has said by a RST of its own that it knows no such connection
    kOneReset,    ///< one end has, and nothing has come from the other since
    kClosed,      ///< both FINs
    kSilence,     ///< nothing came from either end any more; each may be dead or just silent
    kStillAlive,  ///< segments went on
    kCount
};
std::string_view seen_name(Seen seen);  ///< "both_reset", ...; "" for kNothing

struct KillReport {
    std::uint64_t cookie = 0;
    Outcome outcome = Outcome::kRunning;
    Seen seen = Seen::kNothing;
    std::uint32_t frames = 0;          ///< that were sent
    std::uint64_t to_first_reset = 0;  ///< ns from the verdict; 0 if none went out
    std::uint64_t to_death = 0;        ///< ns from the verdict to the first end's own RST; 0 without one
};

}  // namespace yagura::reset
