// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "reset/encapsulation.h"

namespace yagura::reset {

/// Takes what stands in front of the packet at `inner_ip` (below frame.size()), as Encapsulation::take says.
/// Internal to lib/reset.
Refusal read_encapsulation(base::Bytes frame, std::size_t inner_ip, Encapsulation& out);

}  // namespace yagura::reset
