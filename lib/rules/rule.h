// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "rules/response.h"

namespace yagura::rules {

/// What a filter is asked of.
enum class Layer : std::uint8_t {
    kInner,  ///< the innermost IP packet
    kOuter,  ///< the first IP packet
    kFrame,  ///< the frame from its first byte
};

/// Which packets of a flow a match selects.
enum class Scope : std::uint8_t {
    kSession,  ///< the whole flow, both directions, from its first packet
    kOnward,   ///< from the match on
    kPacket,   ///< matching packets alone
};

/// Which direction's bytes a pattern is looked for in. The client is who opened the connection.
enum class Direction : std::uint8_t { kBoth, kToServer, kToClient };

/// How important a rule's flows are to their tools: 0 to kPriorities - 1, the highest.
inline constexpr unsigned kPriorities = 16;
inline constexpr unsigned kUsualPriority = 8;

/// A payload pattern, as the user wrote it: a literal, or /regex/flags, and where it may stand.
struct Pattern {
    std::string text;  ///< as written: the canonical form
    bool regex = false;
    std::string bytes;  ///< literal: the bytes to find; regex: the expression between the slashes
    bool caseless = false;
    bool dotall = false;
    bool multiline = false;
    bool utf8 = false;
    Direction direction = Direction::kBoth;
    /// Counted in bytes of the direction's stream, or of the datagram: a match begins at or after byte
    /// `offset`, and ends at or before byte `offset + depth`.
    std::uint64_t offset = 0;
    std::optional<std::uint64_t> depth;
    bool operator==(const Pattern&) const = default;
};

/// One rule: header (filter and malformed, both must hold) and payload (any of `payload`, all of
/// `payload_all`, none of `payload_none`). A rule without any condition selects everything.
struct Rule {
    std::uint64_t id = 0;
    std::string name;
    std::string filter;  ///< libpcap syntax; empty: every packet
    std::optional<Layer> layer;
    std::optional<bool> malformed;  ///< true: only malformed packets; false: only well-formed ones
    std::vector<Pattern> payload;
    std::vector<Pattern> payload_all;
    std::vector<Pattern> payload_none;
    bool drop = false;
    /// Indices into Config::tool_groups. Empty when `drop`, and for a rule that only responds: that one
    /// selects nothing and ends no search.
    std::vector<std::size_t> forward;
    Scope scope = Scope::kSession;
    unsigned priority = kUsualPriority;  ///< forwards alone
    std::uint32_t sample = 1;            ///< not of drops: holds of one in so many flows
    bool reset = false;                  ///< the connection is cut
    std::optional<BlockAction> block{};  ///< what is blocked from then on

    bool responds() const { return reset || block.has_value(); }
    bool only_responds() const { return responds() && !drop && forward.empty(); }
    bool has_payload() const { return !payload.empty() || !payload_all.empty() || !payload_none.empty(); }
    bool operator==(const Rule&) const = default;
};

}  // namespace yagura::rules
