// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/counter.h"
#include "base/zeroed_array.h"
#include "flow/datagram_assembler.h"
#include "flow/hold_queue.h"
#include "flow/tcp_stream.h"
#include "match/compiled_rules.h"

namespace yagura::select {

/// A flow whose payload rules are open: where matching stands, and what is held of it. First what every
/// packet needs.
struct alignas(64) Inspection {
    static constexpr std::uint32_t kNone = 0xffffffff;
    static constexpr std::size_t kHot = 168;  ///< bytes that every packet needs

    std::uint32_t state = kNone;  ///< its match::PayloadStates, once a byte of payload has come
    std::uint32_t onward = 0;     ///< rules that hold from now on, besides `session`
    /// What a packet gets that brings nothing new: known until the flow's rules are gone through again.
    std::uint32_t standing = 0;  ///< its rules and tools (DecisionTable)
    bool standing_known = false;
    bool standing_waits = false;  ///< and more is open
    bool quick = false;           ///< `standing_known`, and a packet is asked for no more than its payload
    bool closed = false;          ///< nothing is open any more
    bool missed = false;          ///< a packet was not held that an open rule may want
    bool hold_full = false;       ///< nothing more is held, so that what is held has no holes
    bool stateful = false;        ///< which list it is in
    bool answered = false;        ///< which list it is in
    std::array<bool, 2> ended{};  ///< the direction has no more bytes to match
    bool some_dead = false;       ///< a rule of it can never become true
    bool gave_up = false;         ///< for want of room
    std::array<std::uint64_t, 2> scanned{};  ///< bytes of each direction, gaps included
    flow::HoldQueue held;
    std::array<flow::TcpStream, 2> streams;  ///< by direction: 0 that of FlowEntry::key

    std::uint64_t hash = 0;           ///< of the flow: balance groups choose by it
    std::uint64_t wanted = 0;         ///< tools that open rules of scope session may add
    std::uint64_t wanted_onward = 0;  ///< tools that open rules of scope onward may add
    std::uint64_t extra_tools = 0;    ///< given without a rule: inspection was given up
    std::uint64_t born = 0;           ///< number of inspections before it
    std::uint32_t flow = 0;           ///< index of its entry
    std::uint32_t session = 0;        ///< rules that hold for the whole flow (DecisionTable)
    match::RuleIndex limit = 0;       ///< the drop that ends the search for what comes now
    /// The lowest rule of scope session with drop that is open: what comes after it has to wait.
    match::RuleIndex first_drop = 0;
    match::RuleIndex first_onward_drop = 0;  ///< likewise, of scope onward: what comes after it need not
    std::uint32_t older = kNone;             ///< neighbours in its list by age
    std::uint32_t newer = kNone;
    flow::DatagramAssembler fragments;
};
static_assert(sizeof(Inspection) == 256 && offsetof(Inspection, hash) <= Inspection::kHot);

/// The inspections of one select lcore: a bounded pool, and lists by age, of flows that were heard from one
/// side and from both, with and without a state of streams. When room is short the oldest goes first, and the
/// one-sided before all others: a flood of openings shall not cost those who are talking. Owned by one
/// thread; counts may be read by any.
class Inspections {
  public:
    explicit Inspections(std::uint32_t capacity) : pool_(capacity) {}

    /// A new one for the flow, the youngest of the one-sided. kNone when there is no room.
    std::uint32_t acquire(std::uint32_t flow);
    void release(std::uint32_t index);
    /// The flow's other side was heard.
    void set_answered(std::uint32_t index) {
        if (!pool_[index].answered) move(index, true, pool_[index].stateful);
    }
    /// It has a state of its streams.
    void set_stateful(std::uint32_t index) {
        if (!pool_[index].stateful) move(index, pool_[index].answered, true);
    }

    /// Brings what every packet of it needs towards the cache.
    void prefetch(std::uint32_t index) const {
        const auto* const line = reinterpret_cast<const std::uint8_t*>(&pool_[index]);
        for (std::size_t i = 0; i < Inspection::kHot; i += 64) __builtin_prefetch(line + i, 1);
    }

    Inspection& operator[](std::uint32_t index) { return pool_[index]; }
    const Inspection& operator[](std::uint32_t index) const { return pool_[index]; }

    /// The one that gives way first, of all or of those with a state of their streams. kNone when there is
    /// none.
    std::uint32_t oldest(bool stateful) const;
    std::uint32_t oldest_one_sided() const { return older(lists_[0], lists_[1]); }
    bool has_room() const { return free_ != Inspection::kNone || fresh_ < pool_.size(); }
    std::uint64_t count() const {
        const std::uint64_t released = released_.get();  // first: it never passes the other
        return acquired_.get() - released;
    }

  private:
    struct List {
        std::uint32_t oldest = Inspection::kNone;
        std::uint32_t newest = Inspection::kNone;
    };
    void append(List& list, std::uint32_t index);
    void remove(List& list, std::uint32_t index);
    void move(std::uint32_t index, bool answered, bool stateful);
    std::uint32_t older(const List& a, const List& b) const;
    List& list_of(const Inspection& inspection) {
        return lists_[(inspection.answered ? 2u : 0u) + (inspection.stateful ? 1u : 0u)];
    }

    base::ZeroedArray<Inspection> pool_;
    std::uint32_t free_ = Inspection::kNone;  ///< chain by `older`
    std::uint32_t fresh_ = 0;
    std::array<List, 4> lists_;  ///< one-sided without and with a state, answered without and with
    base::Counter acquired_;
    base::Counter released_;
};

}  // namespace yagura::select
