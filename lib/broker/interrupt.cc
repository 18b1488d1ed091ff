// SPDX-License-Identifier: BSD-3-Clause
#include "broker/interrupt.h"

#include <signal.h>

namespace yagura::broker {
namespace {

volatile sig_atomic_t came = 0;

}  // namespace

void catch_interrupts() {
    struct sigaction action {};
    action.sa_handler = [](int) { came = 1; };
    // A second signal ends the process: the way out if the first is not heeded.
    action.sa_flags = SA_RESETHAND;
    sigaction(SIGINT, &action, nullptr);
    sigaction(SIGTERM, &action, nullptr);
}

bool interrupted() {
    return came != 0;
}

}  // namespace yagura::broker
