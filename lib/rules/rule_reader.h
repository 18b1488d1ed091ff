// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "rules/json_document.h"
#include "rules/report.h"
#include "rules/rule.h"

namespace yagura::rules {

/// What a name of `ports` or `tool_groups` stands for.
struct Named {
    enum class Kind : std::uint8_t {
        kNetworkPort,
        kToolPort,   ///< index: ToolId
        kToolGroup,  ///< index: into the groups of the file
        kBroken,     ///< reported where it stands; whoever names it is not reported again
    };
    Kind kind = Kind::kBroken;
    std::size_t index = 0;
};

/// Ports and groups share one space of names.
struct Names {
    std::unordered_map<std::string, Named> all;
    std::vector<std::string_view> tool_ports;   ///< in the order of the file, for suggestions
    std::vector<std::string_view> tool_groups;  ///< those of the file
    /// False when `ports` or `tool_groups` as a whole could not be read: an unknown name is no error then.
    bool ports_known = false;
    bool groups_known = true;
};

/// Reads `rules`. One Rule per element, whatever its errors, so that an index is a place in the file.
/// `may_respond`: rules may reset and block.
std::vector<Rule> read_rules(const Json& value, const Place& place, const Names& names, bool may_respond,
                             ErrorList& errors);

}  // namespace yagura::rules
