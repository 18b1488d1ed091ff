// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <hs.h>

#include <memory>
#include <string>
#include <string_view>

#include "match/database_source.h"

namespace yagura::match {

struct DatabaseDeleter {
    void operator()(hs_database_t* database) const { hs_free_database(database); }
};
using Database = std::unique_ptr<hs_database_t, DatabaseDeleter>;

/// A database, or why there is none.
struct CompiledDatabase {
    Database database;
    int expression = -1;  ///< as in DatabaseAnswer
    std::string reason;
};
CompiledDatabase compile_here(const DatabaseOrder& order);

/// Null when the bytes are no database for this platform.
Database deserialized(std::string_view bytes);

}  // namespace yagura::match
