// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "match/database_source.h"
#include "rules/config.h"

namespace yagura::broker {

/// Compiled pattern databases in files, by a hash of everything that they depend on. A database is as good as
/// code: only files that this user alone can write are read, and only whole ones. Several processes may share
/// a folder. One thread at a time.
class DatabaseCache {
  public:
    /// Gets a line for the log.
    using Say = std::function<void(const std::string&)>;

    /// Null, and it has been said why, when there can be none. A folder that is missing is made, but for the
    /// usual one.
    static std::unique_ptr<DatabaseCache> open(const rules::CacheSettings& settings, Say say);
    ~DatabaseCache();
    DatabaseCache(const DatabaseCache&) = delete;
    DatabaseCache& operator=(const DatabaseCache&) = delete;

    using Key = std::array<std::uint8_t, 32>;
    /// Of an order, on this machine.
    static Key key_of(const match::DatabaseOrder& order);

    /// The serialised database. Nothing: it is not there; or, and that is said, what is there cannot be used.
    std::optional<std::string> find(const Key& key, bool streams);
    /// Keeps it, in place of whatever is there. Others go for it, those first that were not used for longest.
    void store(const Key& key, std::string_view bytes);

    const std::string& folder() const { return settings_.folder; }

  private:
    DatabaseCache(rules::CacheSettings settings, int folder, Say say);
    void trim();

    rules::CacheSettings settings_;
    int folder_;
    Say say_;
};

}  // namespace yagura::broker
