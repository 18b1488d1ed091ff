// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

/// What yagura answers to verdicts: one result for each flow or target that was given.
namespace yagura::client {

/// What was asked for has been done, or would have been (dry_run).
bool is_done(std::string_view outcome);

/// The rest of a result, for a person: "both_reset, 4 frames, RST after 35 us, dead after 212 us", or its
/// message. Members of a wrong type are passed over.
std::string details_of(const nlohmann::ordered_json& result);

/// A member that should be text; empty when it is none.
std::string text_in(const nlohmann::ordered_json& object, const char* name);

}  // namespace yagura::client
