// SPDX-License-Identifier: BSD-3-Clause
#include "broker/live_run.h"

#include <utility>

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

void LiveRun::take_effect(rules::Config wanted, ConfigOrigin origin,
                          std::shared_ptr<const std::string> text) {
    config = std::move(wanted);
    if (text == nullptr) text = std::make_shared<const std::string>(rules::canonical_json(config));
    ++version;
    versions_.add({.version = version,
                   .since = std::chrono::system_clock::now(),
                   .origin = std::move(origin),
                   .rules = config.rules.size(),
                   .text = std::move(text)});
}

}  // namespace yagura::broker
