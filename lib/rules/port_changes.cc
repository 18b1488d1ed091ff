// SPDX-License-Identifier: BSD-3-Clause
#include "rules/port_changes.h"

#include <algorithm>
#include <array>

namespace yagura::rules {

void adopt_places(const Config& running, Config& read) {
    std::array<base::ToolId, base::kMaxTools> tools{};
    for (Port& port : read.ports) {
        const std::uint16_t was = port.place;
        const Port* const runs = running.port(port.name);
        if (runs != nullptr && runs->role == port.role) port.place = runs->place;
        if (port.role == PortRole::kTool) tools[was] = tool_id(port);
    }
    for (ToolGroup& group : read.tool_groups) {
        for (auto* members : {&group.members, &group.standby}) {
            for (GroupMember& member : *members) member.tool = tools[member.tool.index()];
        }
    }
}

bool same_ports(const Config& a, const Config& b) {
    return std::ranges::is_permutation(a.ports, b.ports);
}

void remove_port(Config& config, std::string_view name) {
    std::erase_if(config.ports, [name](const Port& port) { return port.name == name; });
    const auto group = std::ranges::find_if(
        config.tool_groups, [name](const ToolGroup& g) { return g.implicit && g.name == name; });
    if (group == config.tool_groups.end()) return;
    const auto index = static_cast<std::size_t>(group - config.tool_groups.begin());
    config.tool_groups.erase(group);
    for (Rule& rule : config.rules) {
        for (std::size_t& target : rule.forward) {
            if (target > index) --target;
        }
    }
}

}  // namespace yagura::rules
