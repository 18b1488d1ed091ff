// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>

#include "app/yaguractl/session.h"

namespace yagura::ctl {

/// What a rule of rules.list does when it holds: "forward to ids; reset; block its source for 10m".
/// `forward`: how the first part begins. What is not as it should be is left out.
std::string rule_words(const Json& rule, const std::string& forward);

}  // namespace yagura::ctl
