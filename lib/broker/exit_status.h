// SPDX-License-Identifier: BSD-3-Clause
#pragma once

namespace yagura::broker {

/// Exit statuses of the commands (docs/yagura-replay.md).
enum class ExitStatus : int {
    kOk = 0,
    kLoss = 1,     ///< something was lost, the ledger does not balance, or an output could not be written
    kUsage = 2,    ///< the command line or the configuration is wrong: nothing was done
    kDamaged = 3,  ///< an input is damaged: what could be read was written
    kInterrupted = 130,  ///< by SIGINT or SIGTERM: the outputs are whole, of the packets until then
};

}  // namespace yagura::broker
