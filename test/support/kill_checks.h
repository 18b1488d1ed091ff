// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>

#include "base/bytes.h"

namespace yagura::test {

/// Drives a reset::KillMachine with calls and segments that the bytes choose, near the right numbers and far
/// from them, and checks its bounds: frames in all and for each connection, one report for each start, none
/// that stays. Empty, or what is wrong.
std::string check_kill_machine(base::Bytes choices);

}  // namespace yagura::test
