// SPDX-License-Identifier: BSD-3-Clause
#include "app/alerts/verdict_queue.h"

#include <fmt/format.h>

#include <utility>

namespace yagura::alerts {
namespace {

/// Of those that wait, when a call is filled: however long the queue is, it takes bounded time.
constexpr std::size_t kLookedAt = 10'000;

/// Two verdicts with the same are one. No item has a line end in it.
std::string sameness(const Verdict& verdict) {
    return fmt::format("{}\n{}\n{}", method_name(verdict.method), verdict.item, verdict.ttl);
}

bool go_together(const Verdict& a, const Verdict& b) {
    return a.method == b.method && a.ttl == b.ttl && a.reason == b.reason;
}

}  // namespace

void VerdictQueue::push(Verdict verdict, Clock::time_point now) {
    expire(now);
    if (!asked_.insert(sameness(verdict)).second) {
        ++counters_.merged;
        return;
    }
    if (full()) {
        asked_.erase(sameness(waiting_.front().verdict));
        waiting_.pop_front();
        ++counters_.dropped;
    }
    ++counters_.taken;
    waiting_.push_back({std::move(verdict), now});
}

void VerdictQueue::expire(Clock::time_point now) {
    while (!waiting_.empty() && now - waiting_.front().since > max_age_) {
        asked_.erase(sameness(waiting_.front().verdict));
        waiting_.pop_front();
        ++counters_.expired;
    }
    while (!again_.empty() && now - again_.front().since > max_age_) {
        counters_.expired += again_.front().verdicts.size();
        again_.pop_front();
    }
}

Batch VerdictQueue::take(Clock::time_point now) {
    expire(now);
    if (!again_.empty()) {
        Batch batch = std::move(again_.front());
        again_.pop_front();
        return batch;
    }
    Batch batch;
    if (waiting_.empty()) return batch;
    batch.since = waiting_.front().since;
    std::vector<Waiting> others;
    const Verdict first = waiting_.front().verdict;
    for (std::size_t seen = 0; seen < kLookedAt && !waiting_.empty() && batch.verdicts.size() < kBatch;
         ++seen) {
        Waiting one = std::move(waiting_.front());
        waiting_.pop_front();
        if (go_together(first, one.verdict)) {
            asked_.erase(sameness(one.verdict));
            batch.verdicts.push_back(std::move(one.verdict));
        } else {
            others.push_back(std::move(one));
        }
    }
    while (!others.empty()) {
        waiting_.push_front(std::move(others.back()));
        others.pop_back();
    }
    batch.key = key_of(batch.verdicts);
    return batch;
}

void VerdictQueue::clear() {
    counters_.dropped += waiting_.size();
    for (const Batch& batch : again_) counters_.dropped += batch.verdicts.size();
    waiting_.clear();
    again_.clear();
    asked_.clear();
}

}  // namespace yagura::alerts
