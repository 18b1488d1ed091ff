// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <string_view>

#include "rules/report.h"
#include "rules/rule.h"

namespace yagura::rules {

/// Reads one entry of `payload`: a literal, or /regex/flags when it begins with a slash; the last slash ends
/// the expression. Whether the expression compiles is for lib/match to say. With an error, the pattern that
/// comes back is not empty, but means nothing: it keeps the place in the list.
Pattern read_pattern(std::string_view text, const Place& place, ErrorList& errors);

/// A regex entry, as JSON, that finds exactly this text.
std::string literal_as_regex_json(std::string_view text);

}  // namespace yagura::rules
