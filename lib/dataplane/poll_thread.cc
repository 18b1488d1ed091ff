// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/poll_thread.h"

#include <fmt/format.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_pause.h>
#include <sched.h>
#include <time.h>

#include <cstdlib>
#include <new>

namespace yagura::dataplane {

void QuiescentState::Free::operator()(rte_rcu_qsbr* state) const {
    std::free(state);
}

QuiescentState::QuiescentState(unsigned threads) {
    const std::size_t size = rte_rcu_qsbr_get_memsize(threads);
    void* memory =
        std::aligned_alloc(RTE_CACHE_LINE_SIZE, RTE_ALIGN_CEIL(size, std::size_t{RTE_CACHE_LINE_SIZE}));
    if (memory == nullptr) throw std::bad_alloc();
    state_.reset(static_cast<rte_rcu_qsbr*>(memory));
    rte_rcu_qsbr_init(state_.get(), threads);
}

void QuiescentState::synchronize() const {
    const std::uint64_t token = rte_rcu_qsbr_start(state_.get());
    while (rte_rcu_qsbr_check(state_.get(), token, false) == 0) {
        const timespec pause{.tv_sec = 0, .tv_nsec = 100'000};
        nanosleep(&pause, nullptr);
    }
}

base::Result<std::unique_ptr<PollThread>> PollThread::create(unsigned lcore, unsigned index,
                                                             std::vector<Stage*> stages,
                                                             const QuiescentState& quiescent, bool yields) {
    auto messages = Ring<Message>::create(64);
    if (!messages) return messages.error();
    return std::unique_ptr<PollThread>(
        new PollThread(lcore, index, std::move(stages), quiescent, yields, std::move(messages).value()));
}

PollThread::PollThread(unsigned lcore, unsigned index, std::vector<Stage*> stages,
                       const QuiescentState& quiescent, bool yields, std::unique_ptr<Ring<Message>> messages)
    : lcore_(lcore),
      index_(index),
      stages_(std::move(stages)),
      quiescent_(quiescent),
      yields_(yields),
      messages_(std::move(messages)) {}

PollThread::~PollThread() {
    stop();
}

base::Result<void> PollThread::start() {
    if (const int error = rte_eal_remote_launch(&PollThread::entry, this, lcore_); error != 0) {
        return base::Error{fmt::format("cannot start lcore {}: error {}", lcore_, -error)};
    }
    started_ = true;
    return {};
}

bool PollThread::post(Message& message) {
    Message* item = &message;
    return messages_->put({&item, 1}) == 1;
}

void PollThread::stop() {
    if (!started_) return;
    Message message{.run = [](void* self) noexcept { static_cast<PollThread*>(self)->running_ = false; },
                    .argument = this};
    while (!post(message)) sched_yield();
    rte_eal_wait_lcore(lcore_);
    started_ = false;
}

int PollThread::entry(void* self) {
    static_cast<PollThread*>(self)->loop();
    return 0;
}

void PollThread::loop() {
    rte_rcu_qsbr_thread_register(quiescent_.get(), index_);
    rte_rcu_qsbr_thread_online(quiescent_.get(), index_);
    running_ = true;
    while (running_) {
        unsigned handled = 0;
        for (Stage* stage : stages_) handled += stage->turn();
        Message* message = nullptr;
        if (messages_->take({&message, 1}) == 1) message->run(message->argument);
        rte_rcu_qsbr_quiescent(quiescent_.get(), index_);
        if (handled != 0) {
            busy_.add(1);
            packets_.add(handled);
            continue;
        }
        empty_.add(1);
        if (yields_) {
            sched_yield();
        } else {
            rte_pause();
        }
    }
    rte_rcu_qsbr_thread_offline(quiescent_.get(), index_);
    rte_rcu_qsbr_thread_unregister(quiescent_.get(), index_);
}

}  // namespace yagura::dataplane
