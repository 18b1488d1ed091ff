// SPDX-License-Identifier: BSD-3-Clause
#include "broker/remembered_answers.h"

namespace yagura::broker {

void RememberedAnswers::forget(Clock::time_point now) {
    while (!by_age_.empty() && (by_age_.front().first + kKept <= now || by_age_.size() > kMost)) {
        const auto& [asked, key] = by_age_.front();
        const auto found = entries_.find(key);
        if (found != entries_.end() && found->second.asked == asked) entries_.erase(found);
        by_age_.pop_front();
    }
}

std::variant<RememberedAnswers::Unknown, RememberedAnswers::Running, control::Json> RememberedAnswers::find(
    const Key& key, Clock::time_point now) {
    forget(now);
    const auto found = entries_.find(key);
    if (found == entries_.end()) return Unknown{};
    if (!found->second.answer) return Running{};
    control::Json answer = *found->second.answer;
    answer["repeated"] = true;
    return answer;
}

void RememberedAnswers::begin(const Key& key, Clock::time_point now) {
    entries_[key] = {.asked = now};
    by_age_.emplace_back(now, key);
    forget(now);
}

void RememberedAnswers::end(const Key& key, const control::Outcome& outcome) {
    const auto found = entries_.find(key);
    if (found == entries_.end()) return;
    if (const auto* answer = std::get_if<control::Json>(&outcome)) {
        found->second.answer = *answer;
    } else {
        entries_.erase(found);
    }
}

}  // namespace yagura::broker
