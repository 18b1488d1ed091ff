// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/zeroed_array.h"
#include "dataplane/flow_round.h"
#include "dataplane/response.h"
#include "dataplane/rule_sets.h"
#include "dataplane/stage.h"
#include "flow/flow_table.h"
#include "net/protocol_numbers.h"
#include "port/packet.h"
#include "port/packet_pool.h"
#include "reset/encapsulation_table.h"
#include "reset/frame_budget.h"
#include "reset/kill_machine.h"
#include "reset/reset_builder.h"
#include "select/policy.h"

namespace yagura::dataplane {

/// Cuts connections of one select stage: keeps what has to be known of each flow for it, takes verdicts from
/// all sides, makes the frames, and says what became of them. How: docs/resets.md.
///
/// Belongs to the stage's thread. Allocates when it is made and never again.
class Responder {
  public:
    struct Options {
        const ResponseSettings* settings;
        std::size_t stages;  ///< that share the settings' budgets
        std::size_t ports;   ///< PortIds are below
        std::uint64_t seed;  ///< of the flows' hash
        bool any_domain;     ///< flows are told apart by more than a request says: all are gone through
    };
    /// The flow table is the stage's.
    Responder(const Options& options, flow::FlowTable& flows);

    /// The memory of what is kept of flows, now.
    void take_pages() const noexcept {
        states_.take_pages();
        given_.take_pages();
        fronts_.take_pages();
    }

    // ---- packets

    /// One that we sent, and that the tap shows us: a RST or an ICMP error. To be asked before its flow is
    /// looked up.
    bool is_own(const rte_mbuf* packet, const port::PacketMeta& m) const;
    static bool may_be_error(const net::FlowKey& key) {
        return key.proto == net::ip_proto::kIcmp || key.proto == net::ip_proto::kIcmpv6;
    }
    /// Brings what note() needs of the flow towards the cache.
    void prefetch(std::uint32_t index) const { __builtin_prefetch(&states_[index], 1); }
    /// A packet of a settled flow that is not watched. `from`: the end that sent it, 0 in the direction of
    /// the entry's key.
    void note(std::uint32_t index, unsigned from, const rte_mbuf* packet, const port::PacketMeta& m) {
        State& state = states_[index];
        const unsigned port = m.port.value() + 1u;
        if (state.ways[from].port != port && state.ways[from].second != port) [[unlikely]]
            learn(state, from, packet, m);
        if (m.parsed.key.proto != net::ip_proto::kTcp) return;
        if (const auto segment = reset::read_segment(first_bytes(packet), m.wire_length, m.parsed))
            state.numbers.note(from, *segment);
    }
    /// Any other packet of a flow; `begins`: its first. True: it is one of ours.
    [[nodiscard]] bool saw(std::uint32_t index, unsigned from, bool begins, const rte_mbuf* packet,
                           const port::PacketMeta& m);
    /// Rules that are in effect for a packet of the flow cut or block.
    void by_rules(std::uint32_t index, std::span<const match::RuleIndex> rules,
                  const select::PolicySnapshot& policy);
    /// The same, and the flow is in no table.
    void by_rules_untracked() { counters_.untracked.add(1); }
    /// After a burst.
    void flush();

    // ---- verdicts

    /// A tool wants the flow cut; kNone: there is no such flow. `given`: bit per ToolId that has got some of
    /// it under the rules that it goes by.
    void heard(base::ToolId tool, std::uint32_t index, std::uint64_t given);
    /// The flow leaves rules behind under which these tools have got some of it.
    void keep_given(std::uint32_t index, std::uint64_t tools) { given_[index] |= tools; }
    void exchange(ResponseExchange& exchange) noexcept;
    /// Tools that want no more of a flow.
    std::uint64_t shunted(std::uint32_t index) const { return states_[index].shunted; }
    FlowResponse response_of(std::uint32_t index);

    // ---- time

    /// Does what is due. Returns what it did; cheap when that is nothing.
    unsigned turn();
    /// The flow ends: nothing of it is kept. What is being cut goes on.
    void forget(std::uint32_t index);

    /// From now on frames leave by this port so; a null ring: none does.
    void set_port(base::PortId port, PacketRing* ring, const InjectPort& inject) noexcept;

    /// The port has been removed, and none of its packets comes any more: flows forget what they know by it,
    /// some in each turn. Its PortId must not be another's before that is done.
    void forget_port(base::PortId port) noexcept;
    /// The same of a tool, which no policy names any more.
    void forget_tool(base::ToolId tool) noexcept;
    /// That goes on: flows may still name what has been removed. Any thread.
    bool is_forgetting() const { return forgetting_.load(std::memory_order_acquire); }

    const ResponseCounters& counters() const { return counters_; }
    const InjectCounters& counters(base::PortId port) const { return outlets_[port.index()].counters; }

  private:
    /// One direction of a flow.
    struct Way {
        std::uint32_t front;   ///< in front of what this end sends (EncapsulationTable)
        std::uint16_t port;    ///< by which it comes, plus one
        std::uint16_t second;  ///< likewise: another one by which it comes too
        bool operator==(const Way&) const = default;
    };
    /// All zero: nothing is known.
    struct alignas(64) State {
        reset::FlowNumbers numbers;
        std::array<Way, 2> ways;  ///< by the end that sends
        std::uint32_t kill;       ///< KillId, its index plus one
        std::uint32_t generation;
        std::uint64_t shunted;    ///< bit per ToolId
        std::uint32_t error_due;  ///< seconds since the epoch: before that no ICMP error
        std::uint8_t errors_left;
        std::uint8_t bits;
        RuleSets::Set told;  ///< rules whose blocks have been reported
    };
    static_assert(sizeof(State) == 64);
    static constexpr std::uint8_t kBlocked = 1;  ///< somebody of it is blocked
    static constexpr std::uint8_t kByRule = 2;   ///< rules want it cut
    static constexpr std::uint8_t kOver = 4;     ///< it has been cut, or ended by itself
    static constexpr std::uint8_t kRefused = 8;  ///< it must not be cut, as was told
    static constexpr std::uint8_t kNoWay = 16;   ///< it could not be reached by what was known of its ways
    static constexpr std::uint8_t kForever = 255;

    /// Who wanted what.
    struct Verdict {
        ResponseCause cause = ResponseCause::kControl;
        std::uint64_t source = 0;
        std::uint64_t cookie = 0;
        std::uint64_t at = 0;
        bool dry_run = false;
    };
    /// A connection that is being cut, whatever becomes of its entry.
    struct Case {
        net::FlowKey key;
        bool client_is_dst;
        Verdict verdict;
        reset::KillId kill;
        std::uint32_t index;  ///< of its entry; kNone: that has ended, and what follows is what it knew
        std::array<Way, 2> ways;
        std::array<std::uint8_t, 2> ttl;
    };
    /// Another who asked for what was going on already.
    struct Waiter {
        std::uint32_t number;
        Verdict verdict;
    };
    struct Outlet {
        PacketRing* ring = nullptr;
        InjectPort inject;
        InjectCounters counters;
        bool removed = false;  ///< flows are to forget it
    };

    static base::Bytes first_bytes(const rte_mbuf* packet) {
        return {rte_pktmbuf_mtod(packet, const std::uint8_t*), rte_pktmbuf_data_len(packet)};
    }
    static std::uint64_t now();
    static std::uint64_t monotonic(std::uint64_t realtime_ns);
    ResponseMode mode() const { return options_.settings->mode->load(std::memory_order_relaxed); }
    /// That has not been forgotten.
    Case* case_of(const State& state);
    static reset::KillId kill_of(const State& state) {
        return state.kill == 0 ? reset::KillId{}
                               : reset::KillId{.index = state.kill - 1, .generation = state.generation};
    }
    static net::FlowKey opened_by(const flow::FlowEntry& entry) {
        return entry.client_is_dst ? entry.key.reversed() : entry.key;
    }

    void set_over(std::uint32_t index, const reset::KillReport& report, reset::KillId kill);
    void learn(State& state, unsigned from, const rte_mbuf* packet, const port::PacketMeta& m);
    void learn_again(State& state, unsigned from, const rte_mbuf* packet, const port::PacketMeta& m);
    void learn_way(Way& way, std::uint16_t port, const rte_mbuf* packet, const port::PacketMeta& m);
    bool is_of_orphan(const net::FlowKey& key) const;
    bool still_blocked(std::uint32_t index);
    static bool is_over(const State& state);
    bool may_cut_again(const State& state) const;
    void ask_blocks(std::uint32_t index);
    void cut(std::uint32_t index, const Verdict& verdict);
    void shunt(std::uint32_t index, const ResponseRequest& request);
    void carry_out(std::uint32_t index, const ResponseRequest& request);
    unsigned search();
    void tell(const net::FlowKey& key, const Verdict& verdict, const reset::KillReport& kill,
              ResponseReport::Why why = ResponseReport::Why::kNone);
    bool push(const ResponseReport& report);
    void tell_blocks(std::uint32_t index, std::span<const match::RuleIndex> rules,
                     const select::PolicySnapshot& policy);
    void take_reports();
    void unwatch(std::uint32_t index);
    std::uint8_t frames_toward(const std::array<Way, 2>& ways, unsigned toward) const;
    std::optional<base::PortId> routed(base::PortId heard) const;
    void address(reset::Encapsulation& front, base::PortId port, bool moved, const net::FlowKey& key) const;
    template <class Send>
    unsigned for_each_port(const std::array<Way, 2>& ways, unsigned toward, Send&& send) const;
    bool front_toward(const std::array<Way, 2>& ways, unsigned toward, reset::Encapsulation& front);
    void fire(reset::Shots& shots);
    void send(base::PortId port, std::span<const std::uint8_t> frame);
    void send_error(std::uint32_t index, unsigned from, const rte_mbuf* packet, const port::PacketMeta& m);
    bool is_being_cut_as_blocked(const State& state) const;
    unsigned look_at_flows();
    void begin_to_forget() noexcept;
    unsigned forget_some();
    void forget_removed(Way& way);
    void forget_in_verdicts();

    Options options_;
    flow::FlowTable& flows_;
    reset::ResetBuilder builder_;
    reset::KillMachine machine_;
    reset::FrameBudget errors_;
    base::ZeroedArray<State> states_;         ///< by index of the flow's entry
    base::ZeroedArray<std::uint64_t> given_;  ///< likewise: keep_given()
    RuleSets rule_sets_;
    reset::EncapsulationTable fronts_;
    std::vector<Case> cases_;
    std::vector<std::uint32_t> free_cases_;
    std::vector<std::uint32_t> case_of_kill_;  ///< by KillId::index
    std::vector<Waiter> waiters_;
    std::vector<ResponseReport> reports_;  ///< a ring
    std::size_t first_report_ = 0;
    std::size_t report_count_ = 0;
    std::vector<Outlet> outlets_;     ///< by PortId
    ResponseRequest sought_;          ///< with any_domain: whose flows are being looked for
    std::uint32_t sought_from_ = 0;   ///< flows below have been gone through
    std::uint32_t sought_until_ = 0;  ///< equal: nothing is being looked for
    bool sought_found_ = false;
    std::array<reset::Shot, 256> shots_;
    std::uint64_t blocks_seen_ = 0;    ///< ResponseSettings::block_changes
    FlowRound to_ask_;                 ///< flows: whether they are blocked
    FlowRound to_forget_;              ///< flows: what has been removed
    std::uint64_t removed_tools_ = 0;  ///< bit per ToolId: flows are to forget them
    std::atomic<bool> forgetting_{false};
    std::uint32_t orphans_ = 0;  ///< kills whose flow has no entry any more
    ResponseCounters counters_;
};

}  // namespace yagura::dataplane
