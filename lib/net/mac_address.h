// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstdint>

namespace yagura::net {

using MacAddress = std::array<std::uint8_t, 6>;

}  // namespace yagura::net
