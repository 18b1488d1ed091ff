// SPDX-License-Identifier: BSD-3-Clause
#include "broker/tool_watch.h"

#include <algorithm>
#include <bit>

#include "select/tool_choice.h"

namespace yagura::broker {
namespace {

std::uint64_t bit(base::ToolId tool) {
    return std::uint64_t{1} << tool.value();
}

std::uint64_t bits(const std::vector<rules::GroupMember>& members) {
    std::uint64_t all = 0;
    for (const rules::GroupMember& member : members) all |= bit(member.tool);
    return all;
}

/// Of a group that the tool, which is down, is a member of.
std::uint64_t stand_ins_in(const rules::ToolGroup& group, base::ToolId tool, std::uint64_t down) {
    const std::uint64_t standby = bits(group.standby) & ~down;
    if (group.mode == rules::GroupMode::kBalance) return standby != 0 ? standby : bits(group.members) & ~down;
    select::CopyGroup copy;
    for (const rules::GroupMember& member : group.members) copy.members.push_back(bit(member.tool));
    for (const rules::GroupMember& member : group.standby) copy.standby.push_back(bit(member.tool));
    return copy.deal(bit(tool), down) & ~down;
}

}  // namespace

std::vector<ToolWatch::Change> ToolWatch::look(std::uint64_t seen, Clock::time_point now) {
    std::vector<Change> changes;
    for (std::uint64_t rest = seen | down_; rest != 0; rest &= rest - 1) {
        const base::ToolId tool(static_cast<std::uint8_t>(std::countr_zero(rest)));
        Clock::time_point& last = last_seen_down_[tool.index()];
        if ((seen & bit(tool)) != 0) {
            if ((down_ & bit(tool)) == 0) changes.push_back({tool, true});
            last = now;
        } else if (now - last >= kSteady) {
            changes.push_back({tool, false});
        }
    }
    for (const Change& change : changes) down_ ^= bit(change.tool);
    return changes;
}

std::vector<base::ToolId> stand_ins(const rules::Config& config, base::ToolId tool, std::uint64_t down) {
    std::vector<base::ToolId> tools;
    if ((down & bit(tool)) == 0) return tools;
    std::uint64_t found = 0;
    for (const rules::ToolGroup& group : config.tool_groups) {
        if ((bits(group.members) & bit(tool)) != 0) found |= stand_ins_in(group, tool, down);
    }
    for (; found != 0; found &= found - 1)
        tools.emplace_back(static_cast<std::uint8_t>(std::countr_zero(found)));
    return tools;
}

std::string tool_names(const rules::Config& config, const std::vector<base::ToolId>& tools) {
    std::string names;
    for (const base::ToolId tool : tools) names += (names.empty() ? "" : ", ") + config.tool(tool)->name;
    return names;
}

}  // namespace yagura::broker
