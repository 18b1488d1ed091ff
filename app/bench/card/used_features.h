// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "broker/policy_loader.h"

namespace yagura::bench {

/// How a rule is asked, which is what it costs.
enum class RuleKind : std::uint8_t {
    kFlow,     ///< header alone, once for each flow
    kPacket,   ///< header alone, of packets
    kPayload,  ///< patterns
};
RuleKind kind_of(const rules::Rule& rule, const match::RuleSummary& summary);

/// What a configuration uses.
struct Features {
    struct Filters {
        std::size_t rules = 0;
        std::size_t plain = 0;      ///< addresses, prefixes, protocols and ports: found by hash
        std::size_t arbitrary = 0;  ///< a program each
        std::size_t bare = 0;       ///< without a filter
        std::size_t samples = 0;    ///< that hold of a part of the flows
    };
    Filters flow_rules;
    Filters packet_rules;
    Filters payload_rules;
    std::size_t packet_payload_rules = 0;  ///< of payload_rules: of scope packet
    std::size_t patterns = 0;
    std::size_t patterns_to_server = 0;
    std::size_t patterns_to_client = 0;
    std::set<std::string> payload_protocols;  ///< of payload rules; "any" for one that does not say
    bool holds = false;                       ///< packets of undecided flows are kept
    std::set<std::size_t> tools;              ///< ToolIds that a rule leads to
    std::set<std::size_t> balance_groups;     ///< used by a rule: indices into Config::tool_groups
    bool flow_key = false;                    ///< flows are told apart by tags or tunnels too
    std::set<std::size_t> limited_tools;      ///< of `tools`, those with a rate or a queue
    bool response = false;                    ///< connections can be cut
    /// How a group deals in which somebody stands in for a member that is down; none: there is no such group.
    std::optional<rules::GroupMode> stand_in;

    static Features of(const broker::LoadedConfig& loaded);
};

/// The configuration with those of its rules alone that are of this kind.
rules::Config with_rules_of(const broker::LoadedConfig& loaded, RuleKind kind);
/// The configuration with one rule, which gives everything to these tools (ToolIds), or while they are down
/// to those of the standby.
rules::Config with_everything_to(const rules::Config& config, const std::set<std::size_t>& tools,
                                 rules::GroupMode mode, const std::set<std::size_t>& standby = {});

}  // namespace yagura::bench
