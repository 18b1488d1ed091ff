// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "broker/capture_run.h"
#include "broker/report.h"
#include "select/flow_trace.h"

namespace yagura::broker {

/// One flow out of a trace: what happened to it, in order, from FlowEvent::kBegun on (unless that is
/// forgotten) to kEnded.
struct FlowLife {
    std::vector<select::FlowEvent> events;
    std::optional<std::size_t> gap_at;  ///< before this event others are forgotten
    std::uint64_t forgotten = 0;        ///< how many; of all flows of its trace together
};

/// The flows of all traces, in the order of their first packets.
std::vector<FlowLife> lives_of(std::span<const std::unique_ptr<select::FlowTrace>> traces);

/// Puts events into words. Refers to the run.
class FlowStory {
  public:
    /// `wanted`: what the traces were made with.
    FlowStory(const CaptureRun& run, const select::FlowTrace::Wanted& wanted);

    /// The life of flow `number` of `count` (from 1) for a person.
    std::string text(const FlowLife& life, std::size_t number, std::size_t count);
    /// The same as lines of JSON, one for each event.
    std::string json(const FlowLife& life, std::size_t number);

  private:
    /// Payload rules below `limit` that are asked of the flow, and rules that are asked of each packet.
    struct Asked {
        std::vector<match::RuleIndex> payload;
        std::vector<match::RuleIndex> packet;
    };
    Asked asked(const net::FlowKey& key, const select::FlowEvent& event);
    net::FlowKey key_of(const FlowLife& life) const;
    std::string heading(const FlowLife& life, std::size_t number, std::size_t count) const;
    std::string totals(const FlowLife& life) const;
    std::string packet_line(const select::FlowEvent& packet, const select::FlowEvent* outcome,
                            std::uint64_t begin) const;
    std::string sentence(const select::FlowEvent& event, const net::FlowKey& key);
    std::string deeds(const rules::Rule& rule) const;
    std::string pattern_sentence(const select::FlowEvent& event) const;
    void add_details(Json& json, const select::FlowEvent& event, const net::FlowKey& key);

    std::string rule_name(match::RuleIndex rule) const;
    std::string rule_list(const std::vector<match::RuleIndex>& rules) const;
    std::string tool_names(std::uint64_t tools) const;
    Json tools_json(std::uint64_t tools) const;
    Json rules_json(const std::vector<match::RuleIndex>& rules) const;
    const rules::Pattern& pattern(const select::FlowEvent& event) const;

    const CaptureRun& run_;
    const rules::Config& config_;
    net::FlowKey wanted_;
    std::vector<const rules::Port*> tools_;
    match::MatchScratchPtr scratch_;
};

}  // namespace yagura::broker
