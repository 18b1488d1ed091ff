// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "app/bench/conversations.h"
#include "base/result.h"
#include "select/policy.h"

namespace yagura::bench {

/// Made words of 3 to 12 letters, the same for the same seed.
class Words {
  public:
    explicit Words(std::uint64_t seed) : state_(seed) {}
    std::string next();

  private:
    std::uint64_t state_;
};

/// Bytes to look for.
struct Literal {
    std::string bytes;  ///< at least kShortest
    bool caseless = false;
    auto operator<=>(const Literal&) const = default;

    static constexpr std::size_t kShortest = 4;
};

/// Of each rule in the folder's *.rules files (Suricata's or Snort's; those that are commented out, too) the
/// longest `content` that is not negated, each once, in the order of the files' names.
base::Result<std::vector<Literal>> read_literals(const std::string& folder);
/// Made ones: phrases of words.
std::vector<Literal> make_literals(std::size_t count);

/// Takes out those that stand anywhere in what is said, over and over again.
void remove_found(std::vector<Literal>& literals, const Conversations& conversations);

/// As a pattern of a rule.
std::string pattern_text(const Literal& literal);

/// So many of them, from all over the list, each a rule by itself: `tcp` with this payload goes to one tool.
base::Result<std::shared_ptr<const select::PolicySnapshot>> policy_of_literals(
    std::span<const Literal> literals, std::size_t count);

}  // namespace yagura::bench
