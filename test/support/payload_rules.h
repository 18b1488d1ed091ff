// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "support/conversation.h"

namespace yagura::test {

/// Every conversation's server listens here; noise is on other ports.
inline constexpr std::uint16_t kServerPort = 8080;

/// A pattern that the slow way can judge too: a word, and where it may stand.
struct WordPattern {
    std::string word;
    bool caseless = false;
    bool at_start = false;  ///< of the stream or datagram: ^
    bool at_end = false;    ///< $
    std::string then{};     ///< a second word, at most `gap` bytes behind the first
    std::uint32_t gap = 0;
    std::optional<Way> way{};
    std::uint64_t offset = 0;
    std::optional<std::uint64_t> depth{};

    std::string json() const;
};

/// A rule with patterns. The header is "port 8080" or, with `way`, the port as source or destination.
struct WordRule {
    std::vector<WordPattern> any{}, all{}, none{};
    char tool = 'a';  ///< 'a' to 'd'
    bool drop = false;
    std::optional<Way> way{};

    std::string json(unsigned id) const;
};

/// The rules as JSON, for PipelineRun.
std::string rules_json(const std::vector<WordRule>& rules);

/// The tools that get the session, as bits: what the configuration's documentation says, asked of the whole
/// payload by plain search. With `stream_depth` only so many bytes of each direction count (TCP).
unsigned tools_of(const std::vector<WordRule>& rules, const Payload& payload,
                  std::optional<std::uint64_t> stream_depth = std::nullopt);

/// Lists of rules, each about one part of what a rule can say.
struct RuleList {
    std::string name;
    std::vector<WordRule> rules;
};
const std::vector<RuleList>& rule_lists();

}  // namespace yagura::test
