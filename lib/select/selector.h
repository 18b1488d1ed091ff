// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/counter.h"
#include "base/ids.h"
#include "flow/flow_table.h"
#include "rules/config.h"
#include "select/decision_table.h"
#include "select/drop_reason.h"
#include "select/flow_standing.h"
#include "select/flow_trace.h"
#include "select/inspector.h"
#include "select/policy.h"
#include "select/rule_lists.h"

namespace yagura::select {

/// What becomes of one packet.
struct Verdict {
    std::uint64_t tools = 0;                ///< bit per ToolId that gets it now
    DropReason reason = DropReason::kNone;  ///< why nobody gets it; kNone when tools != 0 or `hold`
    bool hold =
        false;  ///< an open rule may want it: keep a copy, or say that there was no room (refuse_hold)
    bool resolve = false;       ///< what is held of the flow may have another verdict now: ask resolve()
    bool closed = false;        ///< the flow's inspection is over: after resolve(), call end_inspection()
    bool responds = false;      ///< one of `rules` cuts or blocks
    std::uint32_t own = 0;      ///< to be kept with the held packet
    std::uint32_t counted = 0;  ///< likewise
    /// In effect for it: by these `tools` get it (redirect()). Until the selector is asked something else.
    std::span<const match::RuleIndex> rules{};
};

/// Asks one policy about packets and flows, and counts by rule. One per select lcore, owned by its thread.
///
/// The rules are read in order: a drop that is in effect ends the search, forwards before it add up. A rule
/// of scope session or onward is in effect for a flow from its first match on, a rule of scope packet for the
/// matching packet alone. A rule that depends on nothing but the flow is asked once, for both directions.
/// Rules with a payload are asked of the flow's streams (Inspector); while one is open that could change what
/// the flow gets, the flow is *inspected*, its packets are held for it, and forwards that come after an open
/// drop wait. A rule that only responds selects nothing and ends no search: nothing is held for it, but while
/// one with a payload is open its flow is inspected. Once no rule is left that could change what the flow
/// gets, or respond, the flow is decided and its packets cost one table look-up.
class Selector {
  public:
    struct Options {
        /// 1 to kMaxEpoch, another than that of any selector which has marked flows that this one will meet.
        std::uint32_t epoch = 1;
        std::uint32_t lists = 0;  ///< room of the decision table; 0: by the number of rules
        InspectLimits inspect;
        rules::WhenShort when_short = rules::WhenShort::kDrop;
        FlowTrace* trace = nullptr;  ///< not null when a flow may be traced
        /// From the policy that flows come from which succeed() is told of; null: nothing is taken over.
        std::shared_ptr<const Succession> successors = nullptr;
    };
    /// The store keeps segments that wait, and belongs to the caller, who holds packets there.
    Selector(std::shared_ptr<const PolicySnapshot> policy, const Options& options, flow::BlockStore& store);
    static constexpr std::uint32_t kMaxEpoch = (1u << 16) - 1;

    /// False when select() will not look at the packet's bytes, so that they need not be contiguous.
    bool needs_bytes(const flow::FlowEntry* flow) const {
        return flow == nullptr || !flow->decided || flow->epoch != epoch_;
    }

    /// The flow is_open() for its table, and all its sound packets go by its decision: select() would say
    /// nothing else, and need not be asked. A flow gets there with a packet that it was asked about.
    bool settled(const flow::FlowEntry& flow) const { return (flow.bits() & settled_mask_) == settled_bits_; }
    struct SettledVerdict {
        std::uint64_t tools;
        DropReason reason;  ///< when there are none
    };
    SettledVerdict decision(std::uint32_t id) const { return {decisions_[id].tools, decisions_[id].reason}; }
    /// Who gets what `tools` would get by these rules of this policy, while the tools `down` are not up:
    /// groups choose anew among those that are, and let a standby stand in. Where there is nobody else a tool
    /// that is down keeps its own. `flow`: null, or the packet's. `hash` as for select().
    std::uint64_t redirect(std::span<const match::RuleIndex> rules, std::uint64_t tools, std::uint64_t hash,
                           const flow::FlowEntry* flow, std::uint64_t down) const;
    /// The same of all that a flow of this selector gets by its own verdict.
    std::uint64_t redirect(const flow::FlowEntry& flow, std::uint64_t hash, std::uint64_t down) const {
        return redirect(decisions_.rules_of(flow.decision), flow_tools(flow), hash, &flow, down);
    }
    /// Counts packets of settled flows for the rules of their decision.
    void count(std::uint32_t decision, const base::Count& count) {
        decisions_.count(decision, count.packets, count.bytes);
    }

    /// Both before select(), for a packet whose flow is known or guessed: the first brings what is known of
    /// an undecided flow towards the cache; the second, some packets later, reads that, and brings the stream
    /// of the packet, which has this key.
    void prefetch(const flow::FlowEntry& flow) const {
        if (inspects(flow)) inspections_.prefetch(flow.inspection);
    }
    void prefetch_stream(const flow::FlowEntry& flow, const net::FlowKey& key) {
        if (inspects(flow)) inspector_.prefetch(inspections_[flow.inspection], goes_back(key, flow));
    }

    /// The verdict on a packet. `flow`: its entry, number `index`, or null for a packet without flow, or
    /// whose flow found no room (then every rule is asked of the packet by itself). `hash`: the flow's
    /// symmetric hash, by which balance groups choose. Counts the packet for its rules, unless it only comes
    /// to be held.
    Verdict select(const match::PacketView& packet, std::uint64_t hash, flow::FlowEntry* flow,
                   std::uint32_t index);

    /// Takes over a flow (index of its entry) of `before`, whose policy this one follows, and which does not
    /// inspect it (any more): what its payload has brought into effect stays so under rules with the same
    /// condition, and is not lost with the bytes that are gone. Everything else is decided anew. A flow
    /// without any such rule is left to its next packet. `hash` as for select().
    void succeed(flow::FlowEntry& flow, std::uint32_t index, std::uint64_t hash, const Selector& before);
    /// There is something that succeed() could take over.
    bool has_successors() const { return options_.successors != nullptr; }

    /// There is no room to hold anything more of the flow: what is held of it stays. The packet's reason.
    DropReason refuse_hold(flow::FlowEntry& flow, const match::PacketView& packet);

    /// How an inspection ends before its rules have been decided.
    enum class End : std::uint8_t {
        kFlow,   ///< with the flow: what is open is decided by what was seen
        kShort,  ///< for want of room: by Options::when_short
        kPolicy  ///< with the policy: what is open has not matched
    };
    /// Ends the inspection of a flow that has one. Then ask resolve() for what is held, and call
    /// end_inspection().
    void close(flow::FlowEntry& flow, End end);

    /// What a held packet gets now.
    struct Resolution {
        std::uint64_t tools;    ///< it may have been offered to some of them
        std::uint32_t counted;  ///< to be kept with it
        DropReason reason;      ///< when the inspection is over and it was offered to nobody
        std::span<const match::RuleIndex> rules;  ///< as in Verdict
    };
    /// Counts the packet for rules that it has not been counted for. When `tools` has a new one.
    Resolution resolve(flow::FlowEntry& flow, const flow::HeldPacket& held);
    /// The held packets of an inspected flow.
    flow::HoldQueue& held(const flow::FlowEntry& flow) { return inspections_[flow.inspection].held; }
    /// When every packet that is held of a closed inspection goes nowhere: the reason of all.
    std::optional<DropReason> resolve_to_nothing(const flow::FlowEntry& flow) const;
    /// The flow has an inspection of this selector.
    bool inspects(const flow::FlowEntry& flow) const {
        return flow.epoch == epoch_ && flow.inspection != Inspection::kNone;
    }
    bool forwards_when_short() const { return options_.when_short == rules::WhenShort::kForward; }
    /// What a flow of this selector gets by its own verdict.
    std::uint64_t flow_tools(const flow::FlowEntry& flow) const { return decisions_[flow.decision].tools; }
    std::span<const match::RuleIndex> flow_rules(const flow::FlowEntry& flow) const {
        return decisions_.rules_of(flow.decision);
    }
    /// How important the flow is to a tool: the highest priority of the rules that were ever in effect for it
    /// and by which that tool gets it. `hash` as for select(); `reached(rules, tools)`: who gets the copies
    /// of these tools.
    template <class Reached>
    unsigned priority(const flow::FlowEntry& flow, base::ToolId tool, std::uint64_t hash,
                      Reached&& reached) const {
        std::optional<unsigned> highest;
        if (flow.epoch == epoch_) {
            for (const std::uint32_t list : {flow.history, flow.decision}) {
                for (const match::RuleIndex& rule : decisions_.rules_of(list)) {
                    const Rules alone(&rule, 1);
                    if ((reached(alone, tools_of(alone, hash)) >> tool.value() & 1) == 0) continue;
                    highest = std::max(highest.value_or(0), policy_->actions[rule].priority);
                }
            }
        }
        // None gives it: it was let go, or the list found no room.
        return highest.value_or(rules::kUsualPriority);
    }
    /// The hold queue has been emptied by the caller.
    void end_inspection(flow::FlowEntry& flow);

    /// The flow (index of its entry) whose inspection has to end so that another can begin or go on; kNone
    /// when there is none. `stateful`: of those with a state of their streams.
    std::uint32_t oldest_inspected(bool stateful = false) const;
    std::uint32_t oldest_one_sided() const;
    /// Before each packet: without room, close() the oldest.
    bool has_room() const { return !inspects_ || (inspections_.has_room() && inspector_.has_room()); }

    /// Where a flow of this selector stands. Its own thread, between two packets.
    FlowStanding standing(const flow::FlowEntry& flow) noexcept;

    /// The rules that selected packets of a flow (forwards alone), for its record; ascending, appended to
    /// `out`.
    void append_forward_rules(const flow::FlowEntry& flow, std::vector<match::RuleIndex>& out) const;

    /// Every tool that was offered a packet of the flow.
    std::uint64_t offered_tools(const flow::FlowEntry& flow) const;

    /// Flows of which the tool was offered a packet. Any thread.
    std::uint64_t tool_flows(base::ToolId tool) const { return tool_flows_[tool.index()].get(); }
    /// Adds counts by rule to `totals`. Any thread.
    void add_to(std::span<DecisionTable::RuleCount> totals) const { decisions_.add_to(totals); }
    /// How often a list of rules found no room in the decision table. The packet got what its rules say, but
    /// counts by flow and flow records lack rules, and what a payload or a single packet had brought into
    /// effect for a flow is forgotten. Any thread.
    std::uint64_t decision_overflows() const { return overflows_.get(); }
    /// Flows that payload rules were not asked of, because too many others are inspected. Any thread.
    std::uint64_t uninspected() const { return uninspected_.get(); }
    /// Flows whose inspection ended for want of room. Any thread.
    std::uint64_t let_go() const { return let_go_.get(); }
    /// Flows that were selected after packets of them had been let go. Any thread.
    std::uint64_t incomplete() const { return incomplete_.get(); }

    const PolicySnapshot& policy() const { return *policy_; }
    std::uint32_t epoch() const { return epoch_; }
    /// There are payload rules of scope session or onward.
    bool inspects_payload() const { return inspects_; }
    const Inspector& inspector() const { return inspector_; }
    const Inspections& inspections() const { return inspections_; }

  private:
    using Rules = std::span<const match::RuleIndex>;
    using RuleList = std::vector<match::RuleIndex>;
    /// What the payload rules that are open may still do.
    struct Prospect {
        std::uint64_t wanted = 0;
        std::uint64_t wanted_onward = 0;
        match::RuleIndex first_drop = 0;
        match::RuleIndex first_onward_drop = 0;
    };

    bool in_sample(match::RuleIndex rule, std::uint64_t hash) const {
        return policy_->actions[rule].in_sample(hash);
    }
    void keep_sampled(RuleList& rules, std::uint64_t hash) const;
    /// Into session_ and onward_; true when some await an answer.
    bool flow_rules_of(const net::FlowKey& key, std::uint64_t hash);
    [[nodiscard]] bool take_answer(flow::FlowEntry& flow, const net::FlowKey& key, std::uint64_t hash);
    [[nodiscard]] bool begin_flow(flow::FlowEntry& flow, std::uint32_t index, const net::FlowKey& key,
                                  std::uint64_t hash);
    void add_inherited();
    void update_decided(flow::FlowEntry& flow);
    /// False when there is no room for the list: then nobody knows the flow any more.
    [[nodiscard]] bool set_flow_rules(flow::FlowEntry& flow, Rules rules, std::uint64_t extra_tools,
                                      std::uint64_t hash);
    void add_prospect(Prospect& prospect, match::RuleIndex rule, std::uint64_t hash) const;
    Prospect prospect_of(const net::FlowKey& key, match::RuleIndex limit, std::uint64_t hash);
    Prospect prospect_of(const flow::FlowEntry& flow, const Inspection& inspection, match::RuleIndex limit);
    bool may_respond(const net::FlowKey& key, match::RuleIndex limit, std::uint64_t hash,
                     const Inspection* inspection);
    Verdict select_untracked(const match::PacketView& packet, std::uint64_t hash);
    Verdict select_plain(const match::PacketView& packet, std::uint64_t hash, flow::FlowEntry& flow);
    Verdict select_inspected(const match::PacketView& packet, flow::FlowEntry& flow);
    /// What of an inspected flow's standing a packet may change.
    struct Standing {
        std::uint64_t tools;
        match::RuleIndex first_drop;
    };
    void feed(const match::PacketView& packet, flow::FlowEntry& flow, Inspection& inspection, bool reverse);
    Verdict standing_verdict(const match::PacketView& packet, flow::FlowEntry& flow, Inspection& inspection);
    Verdict select_anew(const match::PacketView& packet, flow::FlowEntry& flow, Inspection& inspection,
                        const Standing& before_it);
    Verdict verdict_so_far(Rules certain, std::uint32_t decision, std::uint64_t tools, bool waits,
                           const match::PacketView& packet, flow::FlowEntry& flow, Inspection& inspection);
    DropReason hold_full_reason(const match::PacketView& packet) const;
    void note_missed(flow::FlowEntry& flow, const Inspection& inspection);
    std::uint64_t session_tools(const Inspection& inspection) const;
    void give_up(Inspection& inspection, End end);
    void add_lasting(Inspection& inspection, Rules rules, bool of_payload);
    void reconsider(flow::FlowEntry& flow, Inspection& inspection, bool rule_died = false);
    match::RuleIndex open_limit(Rules rules) const;
    std::uint64_t tools_of(Rules rules, std::uint64_t hash) const;
    bool responds(Rules rules) const {
        return policy_->responds && std::ranges::any_of(rules, [this](match::RuleIndex rule) {
                   return policy_->actions[rule].responds();
               });
    }
    void ask_packet(const match::PacketView& packet, std::uint64_t hash, match::RuleIndex limit, bool payload,
                    match::PayloadRules which, rules::Direction to);
    Verdict verdict_on(Rules rules, std::uint32_t decision, std::uint64_t tools,
                       const match::PacketView& packet, flow::FlowEntry* flow);
    Verdict verdict_of_list(const RuleList& rules, std::uint64_t extra_tools, const match::PacketView& packet,
                            std::uint64_t hash, flow::FlowEntry* flow);
    std::uint64_t within_own_drop(std::uint64_t tools, const RuleList& list, const flow::FlowEntry& flow,
                                  const Inspection& inspection);
    void remember(flow::FlowEntry& flow, std::uint32_t decision);
    void add_inspection(const flow::FlowEntry& flow, FlowStanding& standing);
    void trace_begin(const flow::FlowEntry& flow, std::uint64_t hash);
    void trace_samples(std::uint64_t hash);
    void trace_rules(Rules rules);
    void trace_hits(const Inspection& inspection);
    void trace_packet(const match::PacketView& packet, const flow::FlowEntry& flow);

    std::shared_ptr<const PolicySnapshot> policy_;
    Options options_;
    match::MatchScratchPtr scratch_;
    DecisionTable decisions_;
    Inspections inspections_;
    Inspector inspector_;
    std::array<base::Counter, base::kMaxTools> tool_flows_;
    base::Counter overflows_;
    base::Counter uninspected_;
    base::Counter let_go_;
    base::Counter incomplete_;
    // Room for every rule, so that nothing is allocated later.
    RuleList matched_;    ///< by this packet
    RuleList effective_;  ///< for this packet
    RuleList session_;    ///< for the flow, or its history
    RuleList onward_;
    RuleList spare_;
    RuleList inherited_;  ///< by the flow that begins
    std::uint32_t epoch_;
    std::uint32_t settled_mask_;
    std::uint32_t settled_bits_;
    bool inspects_;  ///< there are payload rules of scope session or onward
};

}  // namespace yagura::select
