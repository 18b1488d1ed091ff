// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "net/parser.h"
#include "rules/rule.h"

namespace yagura::match {

/// A rule by its place in the configuration. Lower comes first.
using RuleIndex = std::uint32_t;

/// A packet as the matching code sees it.
struct PacketView {
    base::Bytes frame;          ///< captured bytes, contiguous
    std::uint32_t wire_length;  ///< length on the wire: libpcap's `len`
    const net::ParsedPacket* parsed;
    std::uint32_t captured;  ///< captured bytes; more than frame.size() where nobody needs to see them all
};

/// A filter or a pattern that does not compile.
struct CompileError {
    std::size_t rule;   ///< index into the rules
    std::string place;  ///< JSON pointer below the rule: "/filter", "/payload/2"
    std::string reason;
    std::string fix;  ///< may be empty
};

/// What `yagura check` prints of a rule.
struct RuleSummary {
    rules::Layer layer = rules::Layer::kInner;
    bool per_flow = false;              ///< the header is asked once per flow
    std::vector<std::string> warnings;  ///< "selects from the packet that matched on", ...
};

/// Scratch space of one thread; its contents mean nothing between calls.
class MatchScratch;
struct MatchScratchDeleter {
    void operator()(MatchScratch* scratch) const;
};
using MatchScratchPtr = std::unique_ptr<MatchScratch, MatchScratchDeleter>;

/// The rules of one policy, compiled. Immutable after compile(): any number of threads may ask, each with a
/// scratch of its own. No query allocates, locks or throws.
///
/// Rules are of three kinds by how their header part is asked:
///  - flow rules: scope session or onward, no payload, and a header that depends on the flow's key alone;
///  - packet rules: no payload, everything else (frame and outer filters, flags, bytes, lengths, `malformed`,
///  scope packet);
///  - payload rules: a payload pattern must hit too.
/// A rule with neither filter, malformed nor payload is a flow rule that every flow satisfies, unless its
/// scope is packet. A packet without a flow is asked the flow rules as if they were packet rules.
class CompiledRules {
  public:
    struct Outcome {
        std::shared_ptr<const CompiledRules> rules;  ///< null when there are errors
        std::vector<RuleSummary> summaries;          ///< one per rule, whatever the errors
        std::vector<CompileError> errors;            ///< all of them
    };
    /// Link type: that of the frames which "frame" filters, and packets without IP, will be asked on.
    static Outcome compile(std::span<const rules::Rule> rules, net::LinkType link_type);
    ~CompiledRules();

    std::size_t size() const;  ///< number of rules
    MatchScratchPtr make_scratch() const;

    /// The flow rules that a flow satisfies: those whose header holds for a packet of either direction.
    /// Ascending, in storage of the scratch, valid until the next call with it.
    std::span<const RuleIndex> flow_rules(const net::FlowKey& key, MatchScratch& scratch) const;

    /// Whether a flow rule holds for packets that go in this key's own direction.
    bool holds_one_way(RuleIndex flow_rule, const net::FlowKey& key) const;

    /// The lowest packet rule and payload rule: rules that come after a drop which has already matched need
    /// no asking.
    RuleIndex first_packet_rule() const;   ///< size() when there is none
    RuleIndex first_payload_rule() const;  ///< size() when there is none

    /// False when no payload rule's header can hold for a packet of this flow in either direction: its
    /// payload needs no scan.
    bool payload_possible(const net::FlowKey& key, MatchScratch& scratch) const;

    /// The packet rules below `limit` that this very packet satisfies, ascending; storage as above. For a
    /// packet without a flow, the flow rules are asked of it too (as of a frame).
    std::span<const RuleIndex> packet_rules(const PacketView& packet, RuleIndex limit,
                                            MatchScratch& scratch) const;

    /// The payload rules below `limit` whose header this packet satisfies and whose patterns are in its
    /// payload
    /// (`payload`: its contiguous bytes), ascending; storage as above.
    std::span<const RuleIndex> payload_rules(const PacketView& packet, base::Bytes payload, RuleIndex limit,
                                             MatchScratch& scratch) const;

    /// True when every filter that needs a program runs as native code, false when some are interpreted.
    bool jit_active() const;

  private:
    struct State;
    explicit CompiledRules(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace yagura::match
