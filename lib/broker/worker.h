// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <pthread.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>

#include "base/result.h"

namespace yagura::broker {

/// One ordinary thread that does what takes long, a job after the other, off the lcores' CPUs where it can.
/// The control thread gives it jobs, and gets back what is left to do on its own side.
class Worker {
  public:
    using Completion = std::function<void()>;  ///< runs on the control thread
    using Job = std::function<Completion()>;  ///< runs on the worker; touches nothing of the control thread's
    static constexpr std::size_t kMaxJobs = 8;  ///< that wait

    /// Needs DPDK's environment. `wake` is called on the worker when there is something to deliver().
    static base::Result<std::unique_ptr<Worker>> start(std::function<void()> wake);
    ~Worker();  ///< as end()
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;

    /// Whether submit() may be called. Control thread, like all that follows.
    bool has_room();
    void submit(Job job);
    /// Runs the completions of the jobs that have ended.
    void deliver();
    /// Waits for the job that runs; the others are forgotten. deliver() still has what was done.
    void end();

  private:
    explicit Worker(std::function<void()> wake) : wake_(std::move(wake)) {}
    void work();

    std::function<void()> wake_;
    pthread_t thread_{};
    bool running_ = false;
    std::mutex mutex_;  ///< of what follows
    std::condition_variable changed_;
    std::deque<Job> jobs_;
    std::deque<Completion> completions_;
    bool ending_ = false;
};

}  // namespace yagura::broker
