// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>

namespace yagura::broker {

/// Somebody's wish that something long be given up. Any thread.
class Cancellation {
  public:
    Cancellation() : fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
    ~Cancellation() {
        if (fd_ >= 0) close(fd_);
    }
    Cancellation(const Cancellation&) = delete;
    Cancellation& operator=(const Cancellation&) = delete;

    void cancel() {
        cancelled_.store(true, std::memory_order_release);
        // Without a descriptor, whoever waits looks again after a while.
        if (fd_ >= 0) eventfd_write(fd_, 1);
    }
    bool cancelled() const { return cancelled_.load(std::memory_order_acquire); }
    int fd() const { return fd_; }  ///< can be read once it is cancelled; below 0: there is none

  private:
    int fd_;
    std::atomic<bool> cancelled_{false};
};

}  // namespace yagura::broker
