// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "match/database_source.h"
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

/// Payload rules of scope session and onward whose headers are identical, by their place in CompiledRules.
using GroupIndex = std::uint32_t;

/// A place in PayloadStates.
using StateIndex = std::uint32_t;
class PayloadStates;

/// Whose bytes are scanned, and for whom.
struct ScanContext {
    /// The flow's key in the direction of the bytes: filters that depend on the flow alone are asked of it.
    const net::FlowKey& key;
    /// The packet that brought the last of the bytes: other filters and `malformed` are asked of it. Null
    /// when none did (the end of a flow): then no hit counts for a rule with such a header.
    const PacketView* packet = nullptr;
    /// Where the bytes go: kToServer or kToClient. The same for all bytes of one direction.
    rules::Direction to = rules::Direction::kToServer;
    /// Rules from here on are not asked, and what they would have found is not remembered: over the scans of
    /// one flow it never rises.
    RuleIndex limit = 0;
    /// Bytes of the direction's stream before these, gaps included. Only for PayloadHit::end.
    std::uint64_t position = 0;
};

/// Which list of a rule a pattern stands in.
enum class PatternList : std::uint8_t { kAny, kAll, kNone };

/// That a pattern was found, for those who want to know why a rule holds.
struct PayloadHit {
    RuleIndex rule;
    PatternList list;
    bool counted;         ///< the rule's header, and the pattern's direction, hold for these bytes
    std::uint32_t entry;  ///< in the list; an entry that is written twice shows as the first
    std::uint64_t end;    ///< where the match ends, in bytes of the direction's stream or of the datagram
    bool operator==(const PayloadHit&) const = default;
};

/// Which payload rules a packet is asked by itself.
enum class PayloadRules : std::uint8_t {
    kOfScopePacket,  ///< a packet of a flow whose payload is inspected as a stream or by its datagrams
    kAll,            ///< a packet whose flow nobody keeps
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
///  - payload rules: patterns must be in the payload, or must not. Those of scope session and onward are
///  asked of a flow: of the streams of its two directions, or of its datagrams, hits adding up in a state
///  that PayloadStates keeps. Those of scope packet, and all for a packet whose flow nobody keeps, are asked
///  of the packet by itself.
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
    /// `source`: where pattern databases come from; null: they are compiled here. Throws CompileCancelled if
    /// it does.
    static Outcome compile(std::span<const rules::Rule> rules, net::LinkType link_type,
                           DatabaseSource* source = nullptr);
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
    /// The lowest payload rule of scope packet; size() when there is none.
    RuleIndex first_packet_payload_rule() const;

    /// The packet rules below `limit` that this very packet satisfies, ascending; storage as above. For a
    /// packet without a flow, the flow rules are asked of it too (as of a frame).
    std::span<const RuleIndex> packet_rules(const PacketView& packet, RuleIndex limit,
                                            MatchScratch& scratch) const;

    /// False when no payload rule of scope packet has a header that can hold for a packet of this flow in
    /// either direction: its packets need no payload_rules() of kOfScopePacket.
    bool packet_payload_possible(const net::FlowKey& key, MatchScratch& scratch) const;

    /// The payload rules below `limit` whose header this packet satisfies and whose payload condition holds
    /// for its payload (`payload`: its contiguous bytes) by itself, ascending; storage as above. `to`: where
    /// the packet goes.
    std::span<const RuleIndex> payload_rules(const PacketView& packet, base::Bytes payload, RuleIndex limit,
                                             MatchScratch& scratch, PayloadRules which = PayloadRules::kAll,
                                             rules::Direction to = rules::Direction::kToServer) const;

    // Payload rules of scope session and onward, of flows. A pattern's hit counts for a rule if the pattern's
    // direction is that of the bytes and the rule's header holds for them: a filter that depends on the flow
    // alone is asked of ScanContext::key, any other, and `malformed`, of ScanContext::packet. A rule becomes
    // true once one of `payload` and all of `payload_all` have hit, in whichever direction and scan; one with
    // `payload_none` not before conclude(), and never once one of these patterns has hit. Each rule is
    // reported once per flow. Hits of one scan have the same context, so their order does not matter.

    GroupIndex group_count() const;
    /// The rules of a group, ascending.
    std::span<const RuleIndex> group_rules(GroupIndex group) const;
    /// The groups whose header can hold for a packet of this flow in either direction; those that are asked
    /// of packets always can. Ascending; storage as above.
    std::span<const GroupIndex> payload_groups(const net::FlowKey& key, MatchScratch& scratch) const;

    /// Bytes that PayloadStates takes for an inspected flow; 0 when there are no rules for it.
    std::size_t state_bytes() const;

    /// The rules that became true with the next bytes of a direction (0 or 1) of a flow's stream, ascending;
    /// storage as above. Anchors are relative to the direction's first byte; `$` and `\z` wait for
    /// end_stream().
    std::span<const RuleIndex> scan_stream(PayloadStates& states, StateIndex state, unsigned direction,
                                           base::Bytes bytes, const ScanContext& context,
                                           MatchScratch& scratch) const;
    /// The same for a whole datagram. No match spans two; anchors, offset and depth are relative to its
    /// bytes.
    std::span<const RuleIndex> scan_datagram(PayloadStates& states, StateIndex state, base::Bytes bytes,
                                             const ScanContext& context, MatchScratch& scratch) const;

    /// Bytes of this direction are lost for good: matching starts afresh behind them. Hits so far stay.
    /// Patterns with an offset or a depth no longer count in this direction, nor does a match that needs the
    /// start of the stream. What stood before the next byte is not known, so a pattern with an assertion that
    /// looks back (`^`,
    /// `\b`) counts only where it begins behind that byte.
    void stream_gap(PayloadStates& states, StateIndex state, unsigned direction) const;

    /// The direction's last byte has been scanned, and it was the stream's last: the rules that became true
    /// with matches that end there (`$`). At most once for each direction, and no scan_stream() of it after.
    std::span<const RuleIndex> end_stream(PayloadStates& states, StateIndex state, unsigned direction,
                                          const ScanContext& context, MatchScratch& scratch) const;

    /// The end of a flow's inspection: the rules with `payload_none` that hold, ascending; storage as above.
    /// Their header holds in one of the directions.
    std::span<const RuleIndex> conclude(PayloadStates& states, StateIndex state, const net::FlowKey& key,
                                        MatchScratch& scratch) const;

    /// Whether in the last scan_stream(), scan_datagram() or end_stream() with this scratch a rule died: a
    /// pattern of its `payload_none` has hit, so that it can never become true for the flow.
    static bool rule_died(const MatchScratch& scratch);
    /// Whether a rule of some group is neither dead nor reported.
    bool is_open(PayloadStates& states, StateIndex state, RuleIndex rule) const;

    /// From now on the pattern hits of each payload_rules(), scan_stream(), scan_datagram() and end_stream()
    /// with this scratch are kept until the next: the first hit of a pattern in a scan, below `limit`, by
    /// their ends. Switching it on allocates.
    void set_trace(MatchScratch& scratch, bool on) const;
    /// Those hits; empty when tracing is off.
    static std::span<const PayloadHit> hits(const MatchScratch& scratch);

    /// True when every filter that needs a program runs as native code, false when some are interpreted.
    bool jit_active() const;

  private:
    friend class PayloadStates;
    friend class BareStreams;
    struct State;
    explicit CompiledRules(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace yagura::match
