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
    // Not every change of the configuration is one of the policy.
    const std::uint32_t epoch = pipeline == nullptr ? 1 : pipeline->epoch();
    if (epoch != policy_.epoch) policy_before_ = std::exchange(policy_, {epoch, version});
    versions_.add({.version = version,
                   .since = std::chrono::system_clock::now(),
                   .origin = std::move(origin),
                   .rules = config.rules.size(),
                   .text = std::move(text)});
}

std::optional<std::uint64_t> LiveRun::version_of(std::uint32_t epoch) const {
    if (pipeline->epoch() == epoch) return version;
    for (const PolicyVersion& policy : {policy_, policy_before_}) {
        if (policy.epoch == epoch) return policy.version;
    }
    return std::nullopt;
}

}  // namespace yagura::broker
