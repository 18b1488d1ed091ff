// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

#include "rules/report.h"

namespace yagura::rules {

/// A JSON value whose objects keep the order of the file.
using Json = nlohmann::ordered_json;

/// A configuration nests four deep; anything near this bound is hostile or not a configuration.
inline constexpr std::size_t kMaxDepth = 16;
/// Keys appear in every pointer below them, so they are bounded before any of them is reported.
inline constexpr std::size_t kMaxKeyBytes = 256;

/// Reads JSON (RFC 8259) with // and /* */ comments. What breaks the syntax is reported alone, with line and
/// column (bytes, from 1), and gives nullopt. Keys that appear twice in an object are each reported; the
/// first counts. Time is n log n in the length of the text, whatever it holds.
std::optional<Json> read_json(std::string_view text, ErrorList& errors);

}  // namespace yagura::rules
