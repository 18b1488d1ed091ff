// SPDX-License-Identifier: BSD-3-Clause
#include "control/event_topics.h"

#include <algorithm>

namespace yagura::control {

void EventTopics::subscribe(const std::string& topic, std::uint64_t client) {
    topics_[topic].try_emplace(client, 0);
}

bool EventTopics::unsubscribe(std::string_view topic, std::uint64_t client) {
    const auto found = topics_.find(topic);
    return found != topics_.end() && found->second.erase(client) != 0;
}

void EventTopics::forget(std::uint64_t client) {
    for (auto& [topic, subscribers] : topics_) subscribers.erase(client);
}

bool EventTopics::has(std::uint64_t client) const {
    return std::ranges::any_of(topics_, [&](const auto& topic) { return topic.second.contains(client); });
}

bool EventTopics::any(std::string_view topic) const {
    const auto found = topics_.find(topic);
    return found != topics_.end() && !found->second.empty();
}

EventTopics::Subscribers* EventTopics::subscribers(std::string_view topic) {
    const auto found = topics_.find(topic);
    return found != topics_.end() ? &found->second : nullptr;
}

}  // namespace yagura::control
