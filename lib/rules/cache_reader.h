// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "rules/config.h"
#include "rules/json_document.h"
#include "rules/report.h"

namespace yagura::rules {

/// Reads `cache`. What is faulty keeps its default.
CacheSettings read_cache(const Json& value, const Place& place, ErrorList& errors);

}  // namespace yagura::rules
