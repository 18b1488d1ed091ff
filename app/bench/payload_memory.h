// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>

namespace yagura::bench {

/// What the process takes more with a full flow table, by flow.
double bytes_per_flow(bool details);
/// Of the hold budget, by held frame of this size: `packets` of them in one queue.
double bytes_per_held(std::size_t size, std::uint32_t packets);

}  // namespace yagura::bench
