// SPDX-License-Identifier: BSD-3-Clause
#include "reset/kill_report.h"

namespace yagura::reset {

std::string_view outcome_name(Outcome outcome) {
    switch (outcome) {
        case Outcome::kRunning:
            return "running";
        case Outcome::kVerified:
            return "verified";
        case Outcome::kUnverified:
            return "unverified";
        case Outcome::kTooLate:
            return "too_late";
        case Outcome::kNoPath:
            return "no_path";
        case Outcome::kNotFound:
            return "not_found";
        case Outcome::kNotTcp:
            return "not_tcp";
        case Outcome::kRateLimited:
            return "rate_limited";
        case Outcome::kRefused:
            return "refused";
        case Outcome::kDryRun:
            return "dry_run";
        case Outcome::kCount:
            break;
    }
    return "";
}

std::string_view seen_name(Seen seen) {
    switch (seen) {
        case Seen::kBothReset:
            return "both_reset";
        case Seen::kOneReset:
            return "one_reset";
        case Seen::kClosed:
            return "closed";
        case Seen::kSilence:
            return "silence";
        case Seen::kStillAlive:
            return "still_alive";
        case Seen::kNothing:
        case Seen::kCount:
            break;
    }
    return "";
}

}  // namespace yagura::reset
