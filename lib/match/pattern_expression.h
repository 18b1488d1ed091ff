// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "rules/rule.h"

namespace yagura::match {

/// One expression as Hyperscan takes it: hs_compile_ext_multi().
struct Expression {
    std::string text;
    unsigned flags = 0;
    std::uint64_t min_offset = 0;  ///< of a match's end; 0: none
    std::optional<std::uint64_t> max_offset;
};

/// A pattern in Hyperscan's words.
struct Spelling {
    Expression expression;
    /// For streams in which bytes were lost, when `looks_back`: finds the same, but only where it begins
    /// behind the first byte, so that what stood before that byte is not asked. Not every pattern has one.
    std::optional<Expression> after_gap;
    bool looks_back = false;  ///< may hold an assertion on what stands before: ^ \A \b \B
    bool positional = false;  ///< has an offset or a depth
    bool utf8 = false;
};

/// Why there is no spelling.
struct SpellingError {
    std::string place;  ///< below the entry: "" or "/offset"
    std::string reason;
    std::string fix;
};

/// Every pattern by itself: that it compiles, does not match the empty string, and can keep to its place.
/// Direction is not Hyperscan's.
std::variant<Spelling, SpellingError> spell(const rules::Pattern& pattern);

}  // namespace yagura::match
