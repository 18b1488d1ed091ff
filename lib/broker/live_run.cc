// SPDX-License-Identifier: BSD-3-Clause
#include "broker/live_run.h"

namespace yagura::broker {
namespace {

constexpr std::chrono::milliseconds kStatsAge{5};

}  // namespace

const dataplane::Stats& LiveRun::stats() {
    const auto now = std::chrono::steady_clock::now();
    // With another version there are other rules.
    if (stats_version_ != version || now - stats_time_ > kStatsAge) {
        stats_ = pipeline->stats();
        stats_version_ = version;
        stats_time_ = now;
    }
    return stats_;
}

const std::string& LiveRun::canonical() {
    if (canonical_version_ != version) {
        canonical_ = rules::canonical_json(config);
        canonical_version_ = version;
    }
    return canonical_;
}

}  // namespace yagura::broker
