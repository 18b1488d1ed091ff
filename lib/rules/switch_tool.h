// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "rules/config.h"

namespace yagura::rules {

/// What switch_tool() has changed.
struct SwitchedTool {
    std::vector<std::string> groups;   ///< names
    std::vector<std::uint64_t> rules;  ///< ids of those that name the tool itself
};

/// Puts the tool `to` in the place of `from` in every group and every rule: it has the flows that `from` had,
/// and no other flow moves. In a balance group it goes on under the name that `from` had there
/// (GroupMember::as). Where `to` was the standby of a group, `from` is that now; where both had a copy
/// already, `from` has none any more. Switching back gives the configuration that was, but for that.
///
/// An error, and nothing has changed: nothing names `from`, both are the same, or both balance a group.
base::Result<SwitchedTool> switch_tool(Config& config, base::ToolId from, base::ToolId to);

}  // namespace yagura::rules
