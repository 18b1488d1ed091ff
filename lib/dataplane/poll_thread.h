// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <rte_rcu_qsbr.h>

#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <type_traits>
#include <vector>

#include "base/counter.h"
#include "dataplane/stage.h"
#include "dataplane/stats.h"

namespace yagura::dataplane {

/// Quiescent states of all poll threads: what a thread may have read before its latest turn, it reads no
/// more.
class QuiescentState {
  public:
    explicit QuiescentState(unsigned threads);

    /// Waits until every running poll thread has begun a turn after this call. Control thread; sleeps.
    void synchronize() const;

    rte_rcu_qsbr* get() const { return state_.get(); }

  private:
    struct Free {
        void operator()(rte_rcu_qsbr* state) const;
    };
    std::unique_ptr<rte_rcu_qsbr, Free> state_;
};

/// Something for a poll thread to do between two turns. Lives until it has been run.
struct Message {
    void (*run)(void* argument) noexcept;
    void* argument;
};

/// The loop of one lcore: its stages in turn, then one look at the message ring, then a quiescent state.
class PollThread {
  public:
    struct Options {
        unsigned lcore;
        unsigned index;  ///< of the thread in the QuiescentState
        bool yields;     ///< gives the CPU away when a turn found nothing to do, for lcores that share one;
                         ///< otherwise it spins
        bool clocked;    ///< reads the time stamp counter around each stage
    };
    struct Work {
        Stage* stage;
        StageKind kind;
    };
    static base::Result<std::unique_ptr<PollThread>> create(const Options& options, std::vector<Work> work,
                                                            const QuiescentState& quiescent);
    ~PollThread();

    /// Starts the loop on its EAL lcore. Control thread, like all that follows.
    base::Result<void> start();
    /// Has the loop end after its current turn, and waits for it.
    void stop();
    /// Runs the message on the thread. False when its ring is full.
    [[nodiscard]] bool post(Message& message);
    /// Has the thread do it between two turns, where it may not allocate or wait, and sleeps until that is
    /// done. Does it here when the thread does not run.
    template <class Do>
    void between_turns(Do&& work);

    /// Takes up a stage, behind those of its kind and of kinds before; kMaxWork in all. Between two turns.
    void add(Work work) noexcept;
    void remove(const Stage* stage) noexcept;
    static constexpr std::size_t kMaxWork = 512;

    struct Turns {
        std::uint64_t busy;   ///< turns that handled a packet
        std::uint64_t empty;  ///< turns that found none
        std::uint64_t packets;
    };
    Turns turns() const { return {busy_.get(), empty_.get(), packets_.get()}; }
    std::optional<StageCycles> cycles() const;  ///< none when it is not clocked
    unsigned lcore() const { return options_.lcore; }

  private:
    class Clocks;
    class NoClocks;
    PollThread(const Options& options, std::vector<Work> work, const QuiescentState& quiescent,
               std::unique_ptr<Ring<Message>> messages);
    static int entry(void* self);
    static void wait_a_little();
    template <class ClocksOrNone>
    void loop();

    Options options_;
    std::vector<Work> work_;
    const QuiescentState& quiescent_;
    std::unique_ptr<Ring<Message>> messages_;
    bool started_ = false;
    bool running_ = false;  ///< of the loop alone: a message ends it
    std::atomic<bool> looping_{false};
    base::Counter busy_;
    base::Counter empty_;
    base::Counter packets_;
    struct CycleCounters {  ///< as in StageCycles
        std::array<base::Counter, kStageKinds> busy;
        base::Counter between;
        base::Counter idle;
    };
    CycleCounters cycles_;
};

template <class Do>
void PollThread::between_turns(Do&& work) {
    if (!started_) {
        work();
        return;
    }
    struct Errand {
        std::remove_reference_t<Do>& work;
        std::atomic<bool> done{false};
    } errand{work};
    Message message{.run =
                        [](void* argument) noexcept {
                            auto& asked = *static_cast<Errand*>(argument);
                            asked.work();
                            asked.done.store(true, std::memory_order_release);
                        },
                    .argument = &errand};
    while (!post(message)) wait_a_little();
    while (!errand.done.load(std::memory_order_acquire)) wait_a_little();
}

}  // namespace yagura::dataplane
