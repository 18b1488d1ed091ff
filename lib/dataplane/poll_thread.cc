// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/poll_thread.h"

#include <fmt/format.h>
#include <rte_cycles.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_pause.h>
#include <sched.h>
#include <time.h>

#include <algorithm>
#include <cstdlib>
#include <new>
#include <utility>

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

/// Reads the time stamp counter after each stage and each turn: what lies between two readings is the
/// stage's, or the loop's own.
class PollThread::Clocks {
  public:
    explicit Clocks(CycleCounters& counters) : counters_(counters), last_(rte_rdtsc()) {}

    void stage_ended(StageKind kind) { turn_[static_cast<std::size_t>(kind)] += lap(); }
    void turn_ended(bool busy) {
        std::uint64_t between = lap();
        if (busy) {
            for (std::size_t kind = 0; kind < kStageKinds; ++kind) counters_.busy[kind].add(turn_[kind]);
            counters_.between.add(between);
        } else {
            for (const std::uint64_t stage : turn_) between += stage;
            counters_.idle.add(between);
        }
        turn_ = {};
    }

  private:
    std::uint64_t lap() {
        const std::uint64_t now = rte_rdtsc();
        return now - std::exchange(last_, now);
    }

    CycleCounters& counters_;
    std::array<std::uint64_t, kStageKinds> turn_{};
    std::uint64_t last_;
};

class PollThread::NoClocks {
  public:
    explicit NoClocks(CycleCounters&) {}
    void stage_ended(StageKind) {}
    void turn_ended(bool) {}
};

base::Result<std::unique_ptr<PollThread>> PollThread::create(const Options& options, std::vector<Work> work,
                                                             const QuiescentState& quiescent) {
    auto messages = Ring<Message>::create(64);
    if (!messages) return messages.error();
    return std::unique_ptr<PollThread>(
        new PollThread(options, std::move(work), quiescent, std::move(messages).value()));
}

PollThread::PollThread(const Options& options, std::vector<Work> work, const QuiescentState& quiescent,
                       std::unique_ptr<Ring<Message>> messages)
    : options_(options), work_(std::move(work)), quiescent_(quiescent), messages_(std::move(messages)) {
    work_.reserve(kMaxWork);
}

PollThread::~PollThread() {
    stop();
}

base::Result<void> PollThread::start() {
    if (const int error = rte_eal_remote_launch(&PollThread::entry, this, options_.lcore); error != 0) {
        return base::Error{fmt::format("cannot start lcore {}: error {}", options_.lcore, -error)};
    }
    started_ = true;
    // Whoever waits for quiescence counts on every thread being there.
    while (!looping_.load(std::memory_order_acquire)) sched_yield();
    return {};
}

bool PollThread::post(Message& message) {
    Message* item = &message;
    return messages_->put({&item, 1}) == 1;
}

void PollThread::add(Work work) noexcept {
    work_.insert(std::ranges::upper_bound(work_, work.kind, {}, &Work::kind), work);
}

void PollThread::remove(const Stage* stage) noexcept {
    std::erase_if(work_, [stage](const Work& work) { return work.stage == stage; });
}

void PollThread::wait_a_little() {
    const timespec pause{.tv_sec = 0, .tv_nsec = 20'000};
    nanosleep(&pause, nullptr);
}

void PollThread::stop() {
    if (!started_) return;
    Message message{.run = [](void* self) noexcept { static_cast<PollThread*>(self)->running_ = false; },
                    .argument = this};
    while (!post(message)) sched_yield();
    rte_eal_wait_lcore(options_.lcore);
    looping_.store(false, std::memory_order_relaxed);
    started_ = false;
}

std::optional<StageCycles> PollThread::cycles() const {
    if (!options_.clocked) return std::nullopt;
    StageCycles cycles{.busy = {}, .between = cycles_.between.get(), .idle = cycles_.idle.get()};
    for (std::size_t kind = 0; kind < kStageKinds; ++kind) cycles.busy[kind] = cycles_.busy[kind].get();
    return cycles;
}

int PollThread::entry(void* self) {
    auto* thread = static_cast<PollThread*>(self);
    if (thread->options_.clocked) {
        thread->loop<Clocks>();
    } else {
        thread->loop<NoClocks>();
    }
    return 0;
}

template <class ClocksOrNone>
void PollThread::loop() {
    for (const Work& work : work_) work.stage->take_memory();
    rte_rcu_qsbr_thread_register(quiescent_.get(), options_.index);
    rte_rcu_qsbr_thread_online(quiescent_.get(), options_.index);
    running_ = true;
    looping_.store(true, std::memory_order_release);
    ClocksOrNone clocks(cycles_);
    while (running_) {
        unsigned handled = 0;
        for (const Work& work : work_) {
            handled += work.stage->turn();
            clocks.stage_ended(work.kind);
        }
        Message* message = nullptr;
        if (messages_->take({&message, 1}) == 1) message->run(message->argument);
        rte_rcu_qsbr_quiescent(quiescent_.get(), options_.index);
        if (handled != 0) {
            busy_.add(1);
            packets_.add(handled);
        } else {
            empty_.add(1);
            if (options_.yields) {
                sched_yield();
            } else {
                rte_pause();
            }
        }
        clocks.turn_ended(handled != 0);
    }
    rte_rcu_qsbr_thread_offline(quiescent_.get(), options_.index);
    rte_rcu_qsbr_thread_unregister(quiescent_.get(), options_.index);
}

}  // namespace yagura::dataplane
