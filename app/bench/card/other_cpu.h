// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <thread>

#include "base/result.h"

namespace yagura::bench {

/// A thread on a CPU of its own, known to DPDK, that does what it is told while the caller waits. After EAL's
/// start.
class OtherCpu {
  public:
    static base::Result<std::unique_ptr<OtherCpu>> create(unsigned cpu);
    ~OtherCpu();
    OtherCpu(const OtherCpu&) = delete;
    OtherCpu& operator=(const OtherCpu&) = delete;

    /// Returns when it is done.
    void run(const std::function<void()>& work);

  private:
    OtherCpu() = default;
    void loop(unsigned cpu);

    enum class State : int { kStarting, kFailed, kIdle, kWork, kEnd };
    std::atomic<State> state_{State::kStarting};
    const std::function<void()>* work_ = nullptr;
    std::thread thread_;  ///< last: it uses the others
};

}  // namespace yagura::bench
