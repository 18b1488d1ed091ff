// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "rules/rule.h"

namespace yagura::test {

/// A pattern as PCRE2 understands it: the slow reference for what lib/match finds.
class PcreReference {
  public:
    /// Empty when PCRE2 refuses the expression.
    static std::unique_ptr<PcreReference> compile(const rules::Pattern& pattern);
    ~PcreReference();

    /// Whether a match begins in `subject` at or after byte `begin` and ends at or before byte `end`.
    bool found(std::string_view subject, std::size_t begin, std::size_t end) const;
    /// Whether it is found where the pattern's offset and depth want it.
    bool found(std::string_view subject) const;

  private:
    struct State;
    explicit PcreReference(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace yagura::test
