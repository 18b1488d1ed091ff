// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string_view>

#include "app/alerts/alert.h"

namespace yagura::alerts {

/// A line of Suricata's EVE log: an alert when its event_type is "alert".
Reading read_suricata(std::string_view line);

}  // namespace yagura::alerts
