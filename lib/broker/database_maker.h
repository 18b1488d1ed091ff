// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "broker/cancellation.h"
#include "broker/compile_process.h"
#include "broker/database_cache.h"
#include "match/database_source.h"
#include "rules/config.h"

namespace yagura::broker {

/// How pattern databases are made: out of the cache, else by a process of their own, else here. One thread at
/// a time.
class DatabaseMaker {
  public:
    /// Gets a line for the log, on the thread that compiles.
    using Say = std::function<void(const std::string&)>;

    /// `compiler`: the command of a CompileProcess; empty: it is always compiled here.
    DatabaseMaker(const rules::CacheSettings& cache, std::vector<std::string> compiler, Say say);
    DatabaseMaker(const DatabaseMaker&) = delete;
    DatabaseMaker& operator=(const DatabaseMaker&) = delete;

    /// Where databases are kept; empty: nowhere.
    std::string folder() const { return cache_ ? cache_->folder() : std::string(); }

  private:
    friend class DatabaseSession;
    std::unique_ptr<CompileProcess> start_process();
    DatabaseCache* cache();

    Say say_;
    std::string note_;     ///< why there is no cache; said when one is missed
    bool opened_ = false;  ///< the cache, if there is to be one
    std::unique_ptr<DatabaseCache> cache_;
    std::vector<std::string> compiler_;
    bool said_ = false;  ///< that there is no process
};

/// The databases of one configuration.
class DatabaseSession final : public match::DatabaseSource {
  public:
    /// Both outlive it.
    DatabaseSession(DatabaseMaker& maker, const Cancellation& cancellation)
        : maker_(maker), cancellation_(cancellation) {}

    /// Throws match::CompileCancelled when it is cancelled: at once where a process compiles, else when
    /// that has been done.
    match::DatabaseAnswer get(const match::DatabaseOrder& order) override;

    unsigned from_cache() const { return from_cache_; }
    unsigned compiled() const { return compiled_; }

  private:
    match::DatabaseAnswer compile(const match::DatabaseOrder& order);

    DatabaseMaker& maker_;
    const Cancellation& cancellation_;
    std::unique_ptr<CompileProcess> process_;  ///< null: it is compiled here
    bool started_ = false;                     ///< it has been tried
    std::string death_;                        ///< of the process: what there is to say of all further orders
    unsigned from_cache_ = 0;
    unsigned compiled_ = 0;
};

}  // namespace yagura::broker
