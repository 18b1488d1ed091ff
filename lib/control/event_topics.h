// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace yagura::control {

/// Who wants to hear of which events. Topics are the program's own words, so there are few; clients are told
/// by their ids.
class EventTopics {
  public:
    /// What each has missed of the topic since the last event that he got.
    using Subscribers = std::map<std::uint64_t, std::uint64_t>;

    void subscribe(const std::string& topic, std::uint64_t client);
    bool unsubscribe(std::string_view topic, std::uint64_t client);  ///< false when he was none
    void forget(std::uint64_t client);                               ///< of all topics
    bool has(std::uint64_t client) const;                            ///< he is a subscriber of any

    bool any(std::string_view topic) const;  ///< it has subscribers
    /// Null when it never had any. Valid until the next change.
    Subscribers* subscribers(std::string_view topic);

  private:
    std::map<std::string, Subscribers, std::less<>> topics_;
};

}  // namespace yagura::control
