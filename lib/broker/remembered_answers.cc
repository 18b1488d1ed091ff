// SPDX-License-Identifier: BSD-3-Clause
#include "broker/remembered_answers.h"

namespace yagura::broker {

void RememberedAnswers::forget(Clock::time_point now) {
    while (!by_age_.empty() &&
           (by_age_.front().first + kKept <= now || by_age_.size() > kMost || items_ > kMostItems)) {
        const auto& [asked, key] = by_age_.front();
        const auto found = entries_.find(key);
        if (found != entries_.end() && found->second.asked == asked) {
            items_ -= found->second.items;
            entries_.erase(found);
        }
        by_age_.pop_front();
    }
}

std::variant<RememberedAnswers::Unknown, RememberedAnswers::Running, RememberedAnswers::Different,
             control::Json>
RememberedAnswers::find(const Key& key, std::size_t what, Clock::time_point now) {
    forget(now);
    const auto found = entries_.find(key);
    if (found == entries_.end()) return Unknown{};
    if (found->second.what != what) return Different{};
    if (!found->second.answer) return Running{};
    control::Json answer = *found->second.answer;
    answer["repeated"] = true;
    return answer;
}

void RememberedAnswers::begin(const Key& key, std::size_t what, Clock::time_point now) {
    entries_[key] = {.what = what, .asked = now};
    by_age_.emplace_back(now, key);
    forget(now);
}

void RememberedAnswers::end(const Key& key, const control::Outcome& outcome) {
    const auto found = entries_.find(key);
    if (found == entries_.end()) return;
    const auto* const answer = std::get_if<control::Json>(&outcome);
    if (answer == nullptr) {
        entries_.erase(found);
        return;
    }
    const auto results = answer->find("results");
    found->second.answer = *answer;
    found->second.items = results == answer->end() ? 0 : results->size();
    items_ += found->second.items;
}

}  // namespace yagura::broker
