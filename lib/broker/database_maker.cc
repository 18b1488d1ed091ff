// SPDX-License-Identifier: BSD-3-Clause
#include "broker/database_maker.h"

#include <fmt/format.h>

#include <utility>

namespace yagura::broker {

DatabaseMaker::DatabaseMaker(const rules::CacheSettings& cache, std::vector<std::string> compiler, Say say)
    : say_(std::move(say)),
      cache_(DatabaseCache::open(cache,
                                 [this](const std::string& line) {
                                     if (opened_) return say_(line);
                                     note_ = line;
                                 })),
      compiler_(std::move(compiler)) {
    opened_ = true;
}

DatabaseCache* DatabaseMaker::cache() {
    if (!note_.empty()) say_(std::exchange(note_, {}));
    return cache_.get();
}

std::unique_ptr<CompileProcess> DatabaseMaker::start_process() {
    if (compiler_.empty()) return nullptr;
    auto started = CompileProcess::start(compiler_);
    if (started) return std::move(*started);
    if (!std::exchange(said_, true)) {
        say_(fmt::format(
            "patterns are compiled in this process, which cannot be cancelled: none can be started "
            "for it: {}",
            started.error().message));
    }
    return nullptr;
}

match::DatabaseAnswer DatabaseSession::get(const match::DatabaseOrder& order) {
    if (cancellation_.cancelled()) throw match::CompileCancelled();
    DatabaseCache* const cache = maker_.cache();
    if (cache == nullptr) return compile(order);
    const DatabaseCache::Key key = DatabaseCache::key_of(order);
    if (auto bytes = cache->find(key, order.streams)) {
        ++from_cache_;
        return {*std::move(bytes), -1, {}};
    }
    match::DatabaseAnswer answer = compile(order);
    if (!answer.bytes.empty()) cache->store(key, answer.bytes);
    return answer;
}

match::DatabaseAnswer DatabaseSession::compile(const match::DatabaseOrder& order) {
    ++compiled_;
    if (!std::exchange(started_, true)) process_ = maker_.start_process();
    if (!death_.empty()) return {{}, -1, death_};
    if (process_) {
        match::DatabaseAnswer answer = process_->compile(order, cancellation_);
        // What it died of is not for this process to try.
        if (!process_->is_alive()) death_ = answer.reason;
        return answer;
    }
    match::DatabaseAnswer answer = match::compile_database(order);
    if (cancellation_.cancelled()) throw match::CompileCancelled();
    return answer;
}

}  // namespace yagura::broker
