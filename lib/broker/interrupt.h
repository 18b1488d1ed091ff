// SPDX-License-Identifier: BSD-3-Clause
#pragma once

namespace yagura::broker {

/// From now on SIGINT and SIGTERM are remembered instead of ending the process.
void catch_interrupts();
/// Who writes to somebody who is gone gets an error, and is not ended by a signal: to stderr, DPDK's
/// telemetry.
void ignore_broken_pipes();
/// One of them has come.
bool interrupted();

/// From now on SIGHUP asks for something instead of ending the process; what comes before anybody asks is
/// kept.
void catch_hangups();
/// It has come since this was asked last.
bool hangup_came();

}  // namespace yagura::broker
