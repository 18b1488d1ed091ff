// SPDX-License-Identifier: BSD-3-Clause
#include "app/bench/card/other_cpu.h"

#include <fmt/format.h>
#include <rte_lcore.h>
#include <rte_pause.h>
#include <sched.h>

namespace yagura::bench {
namespace {

/// Spins for a while, then lets others run: the thread that it waits for may be one of them.
template <class F>
void wait_until(F done) {
    constexpr unsigned kSpins = 20'000;
    for (unsigned i = 0; !done(); ++i) {
        if (i < kSpins) {
            rte_pause();
        } else {
            sched_yield();
        }
    }
}

}  // namespace

base::Result<std::unique_ptr<OtherCpu>> OtherCpu::create(unsigned cpu) {
    std::unique_ptr<OtherCpu> other(new OtherCpu);
    other->thread_ = std::thread([raw = other.get(), cpu] { raw->loop(cpu); });
    wait_until([&] { return other->state_.load(std::memory_order_acquire) != State::kStarting; });
    if (other->state_.load(std::memory_order_acquire) == State::kFailed)
        return base::Error{fmt::format("no thread can be kept on CPU {}", cpu)};
    return other;
}

OtherCpu::~OtherCpu() {
    if (state_.load(std::memory_order_acquire) == State::kIdle)
        state_.store(State::kEnd, std::memory_order_release);
    thread_.join();
}

void OtherCpu::run(const std::function<void()>& work) {
    work_ = &work;
    state_.store(State::kWork, std::memory_order_release);
    wait_until([this] { return state_.load(std::memory_order_acquire) == State::kIdle; });
}

void OtherCpu::loop(unsigned cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set) != 0 || rte_thread_register() != 0) {
        state_.store(State::kFailed, std::memory_order_release);
        return;
    }
    state_.store(State::kIdle, std::memory_order_release);
    for (;;) {
        State now = State::kIdle;
        wait_until([&] { return (now = state_.load(std::memory_order_acquire)) != State::kIdle; });
        if (now == State::kEnd) break;
        (*work_)();
        state_.store(State::kIdle, std::memory_order_release);
    }
    rte_thread_unregister();
}

}  // namespace yagura::bench
