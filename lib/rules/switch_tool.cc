// SPDX-License-Identifier: BSD-3-Clause
#include "rules/switch_tool.h"

#include <fmt/format.h>

#include <algorithm>

#include "rules/report.h"

namespace yagura::rules {
namespace {

using Members = std::vector<GroupMember>;

/// One change of one configuration.
class Switch {
  public:
    Switch(Config& config, base::ToolId from, base::ToolId to) : config_(config), from_(from), to_(to) {}

    /// The balance group that has both as members; null: there is none.
    const ToolGroup* shared() const {
        for (const ToolGroup& group : config_.tool_groups) {
            if (group.mode == GroupMode::kBalance && has(group.members, from_) && has(group.members, to_))
                return &group;
        }
        return nullptr;
    }

    /// False when the group does not name the tool.
    bool in_group(ToolGroup& group) const {
        if (group.implicit) return false;
        const bool member = has(group.members, from_);
        Members& list = member ? group.members : group.standby;
        const auto old = std::ranges::find(list, from_, &GroupMember::tool);
        if (old == list.end()) return false;
        if (member && has(group.standby, to_)) {
            become(*std::ranges::find(group.standby, to_, &GroupMember::tool), from_, group.mode);
            become(*old, to_, group.mode);
        } else if (has(group.members, to_) || has(group.standby, to_)) {
            list.erase(old);
        } else {
            become(*old, to_, group.mode);
        }
        return true;
    }

    /// False when the rule does not name the tool itself.
    bool in_rule(Rule& rule) const {
        const auto old = std::ranges::find(rule.forward, own_group(from_));
        if (old == rule.forward.end()) return false;
        const std::size_t other = own_group(to_);
        if (std::ranges::find(rule.forward, other) != rule.forward.end()) {
            rule.forward.erase(old);
        } else {
            *old = other;
        }
        return true;
    }

  private:
    static bool has(const Members& members, base::ToolId tool) {
        return std::ranges::find(members, tool, &GroupMember::tool) != members.end();
    }
    /// The place in the group goes to another tool.
    void become(GroupMember& member, base::ToolId tool, GroupMode mode) const {
        if (mode == GroupMode::kBalance && member.as.empty()) member.as = config_.tool(member.tool)->name;
        member.tool = tool;
        if (member.as == config_.tool(tool)->name) member.as.clear();
    }
    /// The group that a tool's own name is.
    std::size_t own_group(base::ToolId tool) const {
        const auto group = std::ranges::find_if(config_.tool_groups, [&](const ToolGroup& g) {
            return g.implicit && g.members.front().tool == tool;
        });
        return static_cast<std::size_t>(group - config_.tool_groups.begin());
    }

    const Config& config_;
    base::ToolId from_;
    base::ToolId to_;
};

}  // namespace

base::Result<SwitchedTool> switch_tool(Config& config, base::ToolId from, base::ToolId to) {
    const std::string name = in_quotes(config.tool(from)->name);
    const std::string other = in_quotes(config.tool(to)->name);
    if (from == to) return base::Error{fmt::format("{} would be switched for itself", name)};
    const Switch change(config, from, to);
    if (const ToolGroup* group = change.shared(); group != nullptr) {
        return base::Error{fmt::format(
            "{} and {} both are members of the balance group {}, each with flows of its own: take "
            "one of them out of it first",
            name, other, in_quotes(group->name))};
    }
    SwitchedTool switched;
    for (ToolGroup& group : config.tool_groups) {
        if (change.in_group(group)) switched.groups.push_back(group.name);
    }
    for (Rule& rule : config.rules) {
        if (change.in_rule(rule)) switched.rules.push_back(rule.id);
    }
    if (switched.groups.empty() && switched.rules.empty())
        return base::Error{fmt::format("no group and no rule names {}", name)};
    return switched;
}

}  // namespace yagura::rules
