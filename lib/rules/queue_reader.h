// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <optional>

#include "rules/config.h"
#include "rules/fields.h"

namespace yagura::rules {

/// Reads the `queue` of a tool port. Nothing when there is none, and, with a report, when it is wrong.
std::optional<QueueBound> read_queue(const Fields& port, ErrorList& errors);

}  // namespace yagura::rules
