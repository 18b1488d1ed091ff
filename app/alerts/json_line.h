// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "app/alerts/alert.h"

namespace yagura::alerts {

using AlertJson = nlohmann::json;

/// One object, of bounded nesting. Never throws.
std::optional<AlertJson> parse_object(std::string_view line);

/// Members of an object; nothing, or empty, when they are missing or of another type.
const AlertJson* object_in(const AlertJson& object, const char* name);
std::string_view text_in(const AlertJson& object, const char* name);
std::optional<std::uint64_t> number_in(const AlertJson& object, const char* name);

/// A member that may be left out. `wrong` becomes true when it is there and no address or port.
std::optional<Address> address_in(const AlertJson& object, const char* name, bool& wrong);
std::optional<std::uint16_t> port_in(const AlertJson& object, const char* name, bool& wrong);

}  // namespace yagura::alerts
