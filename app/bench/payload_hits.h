// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <string_view>

#include "app/bench/conversations.h"

namespace yagura::bench {

struct Planted {
    Conversations conversations;
    std::uint32_t hits =
        0;  ///< connections that have the pattern; fewer than wanted where some are too short
};

/// The same connections, but in so many of a hundred of them, from all over the list, the pattern stands over
/// what was said: from the first segment on that begins behind `at` hundredths of the connection's bytes,
/// across as many of the same direction as it takes.
Planted plant(const Conversations& conversations, std::string_view pattern, std::uint32_t percent,
              std::uint32_t at);

}  // namespace yagura::bench
