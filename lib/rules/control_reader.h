// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <vector>

#include "rules/config.h"
#include "rules/json_document.h"
#include "rules/report.h"

namespace yagura::rules {

/// Reads `control`. Whether its users and groups exist is for the machine to say that it runs on.
Control read_control(const Json& value, const Place& place, ErrorList& errors);

/// Reads a list of names, each of which may stand there once. `meaning`: "a user".
std::vector<std::string> read_names(const Json::array_t& items, const Place& place, std::string_view meaning,
                                    std::string_view example, ErrorList& errors);

}  // namespace yagura::rules
