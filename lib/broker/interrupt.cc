// SPDX-License-Identifier: BSD-3-Clause
#include "broker/interrupt.h"

#include <signal.h>

#include <atomic>

namespace yagura::broker {
namespace {

/// The handler may run on any thread.
std::atomic<bool> came{false};
std::atomic<bool> hangup{false};
static_assert(std::atomic<bool>::is_always_lock_free);

}  // namespace

void catch_interrupts() {
    struct sigaction action {};
    action.sa_handler = [](int) { came.store(true, std::memory_order_relaxed); };
    // A second signal ends the process: the way out if the first is not heeded.
    action.sa_flags = SA_RESETHAND;
    sigaction(SIGINT, &action, nullptr);
    sigaction(SIGTERM, &action, nullptr);
}

void ignore_broken_pipes() {
    signal(SIGPIPE, SIG_IGN);
}

void catch_hangups() {
    struct sigaction action {};
    action.sa_handler = [](int) { hangup.store(true, std::memory_order_relaxed); };
    action.sa_flags = SA_RESTART;
    sigaction(SIGHUP, &action, nullptr);
}

bool hangup_came() {
    return hangup.exchange(false, std::memory_order_relaxed);
}

bool interrupted() {
    return came.load(std::memory_order_relaxed);
}

}  // namespace yagura::broker
