// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace yagura::match {

/// What is compiled into one pattern database: all that it depends on, besides database_platform().
struct DatabaseOrder {
    struct Expression {
        std::string text;
        unsigned flags = 0;
        unsigned id = 0;
        std::uint64_t min_offset = 0;             ///< 0: none
        std::optional<std::uint64_t> max_offset;  ///< none: none
        bool operator==(const Expression&) const = default;
    };
    bool streams = false;  ///< else for blocks
    std::vector<Expression> expressions;
    bool operator==(const DatabaseOrder&) const = default;
};

/// What came of it.
struct DatabaseAnswer {
    std::string bytes;    ///< the database, serialised; empty: there is an error
    int expression = -1;  ///< the one at fault, by its place in the order; -1: not any one
    std::string reason;
};

/// Thrown by a DatabaseSource when nobody wants the answer any more.
struct CompileCancelled : std::exception {
    const char* what() const noexcept override { return "cancelled"; }
};

/// Where databases come from when they are not compiled on the spot: a cache, another process.
class DatabaseSource {
  public:
    virtual ~DatabaseSource() = default;
    /// Throws CompileCancelled.
    virtual DatabaseAnswer get(const DatabaseOrder& order) = 0;
};

/// Compiles in this thread. Cannot be interrupted.
DatabaseAnswer compile_database(const DatabaseOrder& order);

/// Whether serialised bytes are a database of this kind for this Hyperscan and this CPU. Looks at their head
/// alone: that they are whole is for others to know.
bool is_database(std::string_view bytes, bool streams);

/// Names Hyperscan and what it uses of the CPU. A database is for the platform that it was compiled on.
std::string database_platform();

/// An order as bytes: equal orders give equal bytes, different ones different bytes.
std::string encode(const DatabaseOrder& order);
/// Nothing when these bytes are none of encode().
std::optional<DatabaseOrder> decode(std::string_view bytes);

}  // namespace yagura::match
