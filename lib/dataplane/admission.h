// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstdint>

#include "base/counter.h"
#include "dataplane/tool_queue.h"
#include "rules/rule.h"

namespace yagura::dataplane {

/// Says which flows of one select lcore a tool with a limit gets, so that it gets whole ones.
///
/// A new flow is admitted while the tool has room for what is expected of it and of those which it has
/// already, and of its queue less than a quarter is used. A flow of a higher priority is asked only whether
/// there is room beside its like: those below it give way. Who is admitted stays; but when the queue is three
/// quarters full all the same, the newest of the lowest priority go, as many as it takes.
///
/// What is expected: of flows that are older than kWindow, what such flows send; of younger ones, what young
/// ones of their priority send on average, and will send when they are old. Other select lcores say what they
/// expect (ToolQueue); what is free is shared equally. docs/decisions/0024.
///
/// Owned by one thread. Time is the packets'.
class Admission {
  public:
    static constexpr std::uint64_t kSliceNs = 10'000'000;
    static constexpr std::uint32_t kWindow = 10;  ///< slices

    /// Which flow it is: the lcore's flows are numbered, from 1, as a tool admits them first, in a slice.
    struct Begin {
        std::uint32_t number;
        std::uint32_t slice;
    };

    Admission(ToolQueue& queue, std::size_t lane) : queue_(queue), lane_(lane) {}

    /// What time it is, and what waits. Before the packets of a burst.
    void look(std::uint64_t now_ns);
    std::uint32_t slice() const { return static_cast<std::uint32_t>(slice_); }

    /// A flow begins for the tool with so many packets. True: it is admitted and counted.
    [[nodiscard]] bool admit(unsigned priority, const base::Count& first);
    /// The next packet of an admitted flow. True: it goes on the ring. False: the flow has to go. `newest`:
    /// the highest number.
    [[nodiscard]] bool put(unsigned priority, const Begin& begin, std::uint32_t bytes, std::uint32_t newest);
    /// A packet without a flow, which may go when a new flow of the lowest priority might.
    [[nodiscard]] bool put_single(std::uint32_t bytes);

    ToolQueue::Expected expected(unsigned priority) const;

  private:
    static constexpr std::size_t kAges = 124;
    /// Flows that began in one slice.
    struct Cohort {
        std::uint32_t flows = 0;
        std::uint64_t bytes = 0;       ///< in their window
        std::uint64_t late_bytes = 0;  ///< in its second half
    };
    struct Class {
        std::array<Cohort, kWindow> cohorts;  ///< by slice
        std::uint32_t young = 0;              ///< flows of all cohorts
        std::uint64_t young_bytes = 0;        ///< in this slice
        std::uint64_t old_bytes = 0;
        double young_load = 0;  ///< bytes per second
        double old_load = 0;
        double past_flows = 0;  ///< that have become old, fading
        double past_bytes = 0;  ///< what they sent while they were young
        double past_late = 0;   ///< of that, in the second half of their window
        ToolQueue::Expected others;
        /// Recent bytes by how many flows were numbered since theirs: powers of two, in quarters.
        std::array<double, kAges> by_age{};
        bool has_recent = false;  ///< there are some
        /// Flows first_cut to last_cut go, when they are heard of before `cut_ends`.
        std::uint32_t first_cut = 0;
        std::uint32_t last_cut = 0;
        std::uint64_t cut_ends = 0;  ///< slice
    };
    double rate() const { return static_cast<double>(queue_.limit().rate) / 8; }
    /// Of a young flow, on average; nothing while that is not known.
    ToolQueue::Expected flow_load(const Class& c) const;
    double recent_load(const Class& c) const;
    bool fits(unsigned priority, bool& yields) const;
    bool below(unsigned eighths, const base::Count& more) const;
    bool is_full() const;
    void take_up(std::uint32_t bytes);
    void end_slice();
    void forget_all();
    void cut(std::uint32_t newest);
    void cut_share(Class& c, double share, std::uint32_t newest);

    ToolQueue& queue_;
    std::size_t lane_;
    base::Count level_;  ///< of the queue
    std::uint64_t now_ns_ = 0;
    std::uint64_t slice_ = 0;    ///< since the epoch
    double recent_seconds_ = 0;  ///< that by_age is of, without this slice
    base::Count last_cut_;       ///< the level then, or the lowest since
    std::array<Class, rules::kPriorities> classes_;
};

}  // namespace yagura::dataplane
