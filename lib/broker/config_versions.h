// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>

namespace yagura::broker {

/// Who brought a configuration into effect, and how.
struct ConfigOrigin {
    struct Person {
        uid_t uid;
        pid_t pid;
        std::string program;
    };
    std::string action;                                ///< "start", a method, "SIGHUP"
    std::optional<Person> by = {};                     ///< none: not by the control socket
    std::optional<std::uint64_t> rolled_back_to = {};  ///< the version whose content it has again
};

struct ConfigVersion {
    std::uint64_t version;
    std::chrono::system_clock::time_point since;  ///< every lcore goes by it
    ConfigOrigin origin;
    std::size_t rules;
    /// The configuration's canonical form; null when it was let go for want of room.
    std::shared_ptr<const std::string> text;
};

/// The configurations that were in effect last, the newest at the end: that is the one in effect. Bounded in
/// number and in bytes of their texts; the oldest go first. The control thread's.
class ConfigVersions {
  public:
    static constexpr std::size_t kMost = 16;
    static constexpr std::size_t kMaxBytes = 32u << 20;

    /// Its text is never let go while it is the newest, whatever its size.
    void add(ConfigVersion version);
    const ConfigVersion* find(std::uint64_t version) const;  ///< null: not kept
    const std::deque<ConfigVersion>& all() const { return versions_; }

  private:
    std::deque<ConfigVersion> versions_;
};

}  // namespace yagura::broker
