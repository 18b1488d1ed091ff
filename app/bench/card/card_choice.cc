// SPDX-License-Identifier: BSD-3-Clause
#include "app/bench/card/card_choice.h"

#include <charconv>

namespace yagura::bench {

std::vector<std::uint32_t> CardChoice::sizes() const {
    if (size == "imix") return {64, 64, 594, 64, 64, 594, 64, 1518, 64, 594, 64, 594};
    std::uint32_t bytes = 64;
    std::from_chars(size.data(), size.data() + size.size(), bytes);
    return {bytes};
}

}  // namespace yagura::bench
