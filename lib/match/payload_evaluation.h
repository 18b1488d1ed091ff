// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <optional>
#include <span>

#include "match/filter_set.h"
#include "match/match_scratch.h"
#include "match/payload_patterns.h"
#include "match/questions.h"
#include "match/rule_header.h"

namespace yagura::match {

/// The headers of rules, asked of the packet that brought some bytes, or of its flow's key. Each filter is
/// asked once for a question of the scratch.
class HeaderQuestion {
  public:
    /// `key`: for filters that depend on the flow alone; null: they are asked of the packet. `packet` may be
    /// null: then what must be asked of it does not hold.
    HeaderQuestion(std::span<const RuleHeader> headers, const FilterSet& filters, net::LinkType link_type,
                   const net::FlowKey* key, const PacketView* packet, MatchScratch& scratch)
        : headers_(headers),
          filters_(filters),
          link_type_(link_type),
          key_(key),
          packet_(packet),
          scratch_(scratch) {}

    bool holds(RuleIndex rule) {
        const RuleHeader& header = headers_[rule];
        if (header.malformed && (packet_ == nullptr || !header.malformed_holds(*packet_->parsed)))
            return false;
        return !header.filter || scratch_.remember(*header.filter, [&] { return ask(*header.filter); });
    }

  private:
    bool ask(FilterIndex filter) {
        if (key_ != nullptr && filters_[filter].per_flow) {
            if (!of_key_) of_key_.emplace(*key_);
            return filters_.holds(filter, *of_key_);
        }
        if (packet_ == nullptr) return false;
        if (!of_packet_) of_packet_.emplace(*packet_, link_type_);
        return filters_.holds(filter, *of_packet_);
    }

    std::span<const RuleHeader> headers_;
    const FilterSet& filters_;
    net::LinkType link_type_;
    const net::FlowKey* key_;
    const PacketView* packet_;
    MatchScratch& scratch_;
    std::optional<KeyQuestion> of_key_;
    std::optional<PacketQuestion> of_packet_;
};

/// Turns the pattern hits of one scan into rules that become true: they are added to the scratch.
class PayloadEvaluation {
  public:
    struct Context {
        rules::Direction to;
        RuleIndex limit;
        std::uint64_t origin = 0;  ///< where the scanned stream or block begins, in the direction's bytes
        bool after_gap = false;
    };
    PayloadEvaluation(const PayloadConditions& conditions, HeaderQuestion& headers, MatchScratch& scratch,
                      const Context& context)
        : conditions_(conditions), headers_(headers), scratch_(scratch), context_(context) {}

    /// Hits of a flow, whose bits these are. No order of the hits gives another outcome.
    void take(std::span<const PatternHit> hits, Bits bits) {
        for (const PatternHit& hit : hits) {
            if (!conditions_.counts(hit, context_.after_gap)) continue;
            for (const PatternUse& use : conditions_.uses(hit.pattern)) {
                const PayloadRule& rule = conditions_.rules()[use.rule];
                if (rule.rule >= context_.limit) continue;
                if (scratch_.payload.trace) note(use, rule, hit);
                if (!bits.test(rule.done) && counts(use, rule)) settle(use, rule, bits);
            }
        }
    }

    /// Everything there is of a packet by itself: what its payload does not bring now, it never will.
    void take_all(std::span<const PatternHit> hits) {
        Bits bits(scratch_.payload.bits.data());
        take(hits, bits);
        for (const std::uint32_t index : conditions_.at_end()) {
            const PayloadRule& rule = conditions_.rules()[index];
            const bool holds = rule.rule < context_.limit && conditions_.holds_at_end(rule, bits) &&
                               headers_.holds(rule.rule);
            if (holds) scratch_.add(rule.rule);
        }
        for (const PatternHit& hit : hits) {
            for (const PatternUse& use : conditions_.uses(hit.pattern)) {
                const PayloadRule& rule = conditions_.rules()[use.rule];
                bits.clear(rule.done, 1 + rule.conditions);
            }
        }
    }

  private:
    bool counts(const PatternUse& use, const PayloadRule& rule) {
        const bool this_way = use.direction == rules::Direction::kBoth || use.direction == context_.to;
        return this_way && headers_.holds(rule.rule);
    }

    void settle(const PatternUse& use, const PayloadRule& rule, Bits bits) {
        if (use.list != PatternList::kNone) {
            if (rule.conditions != 0) bits.set(use.condition);
            if (rule.at_end || !bits.all(rule.done + 1, rule.conditions)) return;
            scratch_.add(rule.rule);
        } else {
            scratch_.payload.died = true;
        }
        bits.set(rule.done);
    }

    void note(const PatternUse& use, const PayloadRule& rule, const PatternHit& hit) {
        scratch_.payload.hits.push_back(
            {rule.rule, use.list, counts(use, rule), use.entry, context_.origin + hit.end});
    }

    const PayloadConditions& conditions_;
    HeaderQuestion& headers_;
    MatchScratch& scratch_;
    Context context_;
};

}  // namespace yagura::match
