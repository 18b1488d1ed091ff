// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/counter.h"
#include "flow/flow_table.h"
#include "select/decision_table.h"
#include "select/drop_reason.h"
#include "select/policy.h"

namespace yagura::select {

/// What becomes of one packet.
struct Verdict {
    std::uint64_t tools = 0;                ///< bit per ToolId that gets it
    DropReason reason = DropReason::kNone;  ///< why nobody gets it; kNone exactly when tools != 0
};

/// Asks one policy about packets and flows, and counts by rule. One per select lcore, owned by its thread.
///
/// The rules are read in order: a drop that is in effect ends the search, forwards before it add up. A rule
/// of scope session or onward is in effect for a flow from its first match on, a rule of scope packet for the
/// matching packet alone. A rule that depends on nothing but the flow is asked once, for both directions;
/// once no rule is left that could change what the flow gets, the flow is decided and its packets cost one
/// table look-up.
class Selector {
  public:
    /// `epoch`: 1 to kMaxEpoch, another than that of any selector which has marked flows that this one will
    /// meet. `lists`: room of the decision table; 0: by the number of rules.
    Selector(std::shared_ptr<const PolicySnapshot> policy, std::uint32_t epoch, std::uint32_t lists = 0);
    static constexpr std::uint32_t kMaxEpoch = 0xffff;

    /// False when select() will not look at the packet's bytes, so that they need not be contiguous.
    bool needs_bytes(const flow::FlowEntry* flow) const {
        return flow == nullptr || !flow->decided || flow->epoch != epoch_;
    }

    /// The verdict on a packet. `flow`: its entry, or null for a packet without flow, or whose flow found no
    /// room (then every rule is asked of the packet by itself). `hash`: the flow's symmetric hash, by which
    /// balance groups choose. Counts the packet for its rules.
    Verdict select(const match::PacketView& packet, std::uint64_t hash, flow::FlowEntry* flow);

    /// The rules that selected packets of a flow (forwards alone), for its record; ascending, appended to
    /// `out`.
    void append_forward_rules(const flow::FlowEntry& flow, std::vector<match::RuleIndex>& out) const;

    /// Adds counts by rule to `totals`. Any thread.
    void add_to(std::span<DecisionTable::RuleCount> totals) const { decisions_.add_to(totals); }
    /// How often a list of rules found no room in the decision table. The packet got what its rules say, but
    /// counts by flow and flow records lack rules, and what a payload or a single packet had brought into
    /// effect for a flow is forgotten. Any thread.
    std::uint64_t decision_overflows() const { return overflows_.get(); }

    const PolicySnapshot& policy() const { return *policy_; }

  private:
    using Rules = std::span<const match::RuleIndex>;
    bool flow_rules_of(const net::FlowKey& key);  ///< into session_; true when some await an answer
    [[nodiscard]] bool take_answer(flow::FlowEntry& flow, const net::FlowKey& key);
    [[nodiscard]] bool begin_flow(flow::FlowEntry& flow, const net::FlowKey& key);
    /// False when there is no room for the list: then nobody knows the flow any more.
    [[nodiscard]] bool set_flow_rules(flow::FlowEntry& flow, Rules rules);
    Verdict select_untracked(const match::PacketView& packet, std::uint64_t hash);
    match::RuleIndex open_limit(Rules rules) const;
    void ask_packet(const match::PacketView& packet, match::RuleIndex limit, bool payload);
    std::uint64_t tools_of(std::uint32_t decision, std::uint64_t hash) const;
    Verdict verdict_on(Rules rules, std::uint32_t decision, std::uint64_t tools,
                       const match::PacketView& packet, flow::FlowEntry* flow);
    Verdict verdict_of_list(const std::vector<match::RuleIndex>& rules, const match::PacketView& packet,
                            std::uint64_t hash, flow::FlowEntry* flow);
    void remember(flow::FlowEntry& flow, std::uint32_t decision);

    std::shared_ptr<const PolicySnapshot> policy_;
    std::uint32_t epoch_;
    match::MatchScratchPtr scratch_;
    DecisionTable decisions_;
    base::Counter overflows_;
    // Room for every rule, so that nothing is allocated later.
    std::vector<match::RuleIndex> matched_;    ///< by this packet
    std::vector<match::RuleIndex> effective_;  ///< for this packet
    std::vector<match::RuleIndex> session_;    ///< for the flow, or its history
};

}  // namespace yagura::select
