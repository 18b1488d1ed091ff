// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <optional>
#include <string>

#include "rules/rule.h"

namespace yagura::bench {

/// A short text in which the pattern is found: its own bytes, or what its expression says when every choice
/// is made in the simplest way. Nothing for an expression that is beyond this (back-references, look-around,
/// named classes); what comes back may still not match in rare cases (a `\B` that fails), so ask the rules.
std::optional<std::string> sample_of(const rules::Pattern& pattern);

}  // namespace yagura::bench
