// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string_view>

#include "rules/config.h"

namespace yagura::rules {

/// Gives the ports of a configuration that was read the places (Port::place) that those of the same name and
/// role have in the one that runs, and changes the members of its tool groups with them. Ports that do not
/// run keep theirs: such a configuration is not same_ports() and must not be brought into effect.
void adopt_places(const Config& running, Config& read);

/// They have the same ports, in whatever order, with the same places.
bool same_ports(const Config& a, const Config& b);

/// Takes out the port of this name, which no rule, no group and no other port may name.
void remove_port(Config& config, std::string_view name);

}  // namespace yagura::rules
