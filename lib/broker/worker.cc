// SPDX-License-Identifier: BSD-3-Clause
#include "broker/worker.h"

#include <fmt/format.h>
#include <rte_lcore.h>

#include <cstdlib>
#include <cstring>
#include <utility>

namespace yagura::broker {

base::Result<std::unique_ptr<Worker>> Worker::start(std::function<void()> wake) {
    std::unique_ptr<Worker> worker(new Worker(std::move(wake)));
    // A control thread of EAL: it keeps off the lcores' CPUs.
    const int error = rte_ctrl_thread_create(
        &worker->thread_, "yagura-worker", nullptr,
        [](void* self) -> void* {
            static_cast<Worker*>(self)->work();
            return nullptr;
        },
        worker.get());
    if (error != 0) {
        return base::Error{fmt::format("cannot start the worker thread: {}", std::strerror(std::abs(error)))};
    }
    worker->running_ = true;
    return worker;
}

Worker::~Worker() {
    end();
}

void Worker::end() {
    if (!std::exchange(running_, false)) return;
    {
        const std::lock_guard lock(mutex_);
        ending_ = true;
    }
    changed_.notify_one();
    pthread_join(thread_, nullptr);
}

bool Worker::has_room() {
    const std::lock_guard lock(mutex_);
    return jobs_.size() < kMaxJobs;
}

void Worker::submit(Job job) {
    {
        const std::lock_guard lock(mutex_);
        jobs_.push_back(std::move(job));
    }
    changed_.notify_one();
}

void Worker::deliver() {
    std::deque<Completion> completions;
    {
        const std::lock_guard lock(mutex_);
        completions.swap(completions_);
    }
    for (const Completion& completion : completions) completion();
}

void Worker::work() {
    for (;;) {
        Job job;
        {
            std::unique_lock lock(mutex_);
            changed_.wait(lock, [this] { return ending_ || !jobs_.empty(); });
            if (ending_) return;
            job = std::move(jobs_.front());
            jobs_.pop_front();
        }
        Completion completion = job();
        {
            const std::lock_guard lock(mutex_);
            completions_.push_back(std::move(completion));
        }
        wake_();
    }
}

}  // namespace yagura::broker
