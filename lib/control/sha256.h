// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace yagura::control {

using Sha256 = std::array<std::uint8_t, 32>;

Sha256 sha256_of(std::string_view bytes);

}  // namespace yagura::control
