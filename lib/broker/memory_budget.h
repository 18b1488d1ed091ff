// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <string>

#include "rules/config.h"

namespace yagura::broker {

/// What the flows, held packets and streams of a configuration may take of memory, as comment lines for a
/// person. `state_bytes`: of an inspected flow (match::CompiledRules::state_bytes()), 0: none is inspected.
std::string memory_budget(const rules::Inspect& inspect, std::size_t state_bytes);

}  // namespace yagura::broker
