// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <string_view>

#include "rules/json_document.h"
#include "rules/report.h"
#include "rules/rule.h"

namespace yagura::rules {

/// Reads the text of a pattern: a literal, or /regex/flags when it begins with a slash; the last slash ends
/// the expression. Whether the expression compiles is for lib/match to say. With an error, the pattern that
/// comes back is not empty, but means nothing: it keeps the place in the list.
Pattern read_pattern(std::string_view text, const Place& place, ErrorList& errors);

/// Reads one entry of `payload` and its like, a string or an object of kPatternKeys. With an error as above.
Pattern read_pattern_entry(const Json& value, const Place& place, ErrorList& errors);

/// A regex entry, as JSON, that finds exactly this text.
std::string literal_as_regex_json(std::string_view text);

}  // namespace yagura::rules
