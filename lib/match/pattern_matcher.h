// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "rules/rule.h"

namespace yagura::match {

/// A pattern by its place in the list that was compiled.
using PatternIndex = std::uint32_t;

struct PatternError {
    PatternIndex pattern;
    std::string reason;
    std::string fix;  ///< may be empty
};

/// Working memory of one thread, for one matcher.
class PatternScratch {
  public:
    virtual ~PatternScratch() = default;
};

/// Finds which of many patterns are in a block of bytes, in one pass over it. Immutable: any number of
/// threads may scan, each with a scratch of its own.
class PatternMatcher {
  public:
    struct Outcome {
        std::unique_ptr<PatternMatcher> matcher;  ///< null when there are errors
        std::vector<PatternError> errors;
    };
    /// Compiles patterns, of which none should be given twice. Every pattern is checked by itself; an error
    /// that only shows when they are compiled together is found for a few of them.
    static Outcome compile(std::span<const rules::Pattern> patterns);

    virtual ~PatternMatcher() = default;
    virtual std::unique_ptr<PatternScratch> make_scratch() const = 0;
    /// The patterns that are in the data, each once, in no order; storage of the scratch.
    virtual std::span<const PatternIndex> scan(base::Bytes data, PatternScratch& scratch) const = 0;
};

}  // namespace yagura::match
