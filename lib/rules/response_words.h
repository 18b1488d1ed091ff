// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>

#include "rules/response.h"
#include "rules/rule.h"

namespace yagura::rules {

/// What a rule does to connections besides selecting them: "reset; block its source for 10m". Empty: nothing.
std::string response_words(const Rule& rule);

}  // namespace yagura::rules
