// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>

#include "drivers/ethdev/device_string.h"

namespace yagura::ethdev {

/// Why DPDK must not open this device, though it would; empty: it may. `room`: bytes that a buffer has.
std::string refusal_of(const DeviceString& device, unsigned room);

/// What is wrong with what the string of a device names that DPDK could not open, and what to do, as the rest
/// of a sentence: "; ..."; empty: nothing is seen.
std::string open_advice(const DeviceString& device);

}  // namespace yagura::ethdev
