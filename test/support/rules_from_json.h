// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <stdexcept>
#include <string>

#include "match/compiled_rules.h"
#include "rules/config.h"
#include "select/policy.h"

namespace yagura::test {

/// A configuration whose rules stand in `rules` (a JSON array), with a network port "lan", the tools "a" to
/// "d", and the groups "all" (copy to a, b, c, d) and "any" (balance over a, b, c). Rules may respond. Throws
/// what is wrong with it.
inline rules::Config config_with_rules(const std::string& rules, const std::string& more = "") {
    const auto outcome = rules::parse_config(R"({"ports": {"lan": {"role": "network", "device": "loop:"},
        "wan": {"role": "network", "device": "loop:"},
        "a": {"role": "tool", "device": "loop:"}, "b": {"role": "tool", "device": "loop:"},
        "c": {"role": "tool", "device": "loop:"}, "d": {"role": "tool", "device": "loop:"}},
        "tool_groups": {"all": {"members": ["a", "b", "c", "d"], "mode": "copy"},
                        "any": {"members": ["a", "b", "c"], "mode": "balance"}},
        "response": {"enabled": true},
        "rules": )" + rules + more + "}");
    if (!outcome.ok()) throw std::runtime_error(outcome.errors.front().to_string());
    return outcome.config;
}

inline std::shared_ptr<const select::PolicySnapshot> policy_of(const rules::Config& config) {
    auto compiled = match::CompiledRules::compile(config.rules, net::LinkType::kEthernet);
    if (!compiled.errors.empty()) throw std::runtime_error(compiled.errors.front().reason);
    return select::make_policy(config, compiled.rules);
}

}  // namespace yagura::test
