// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string_view>

#include "app/alerts/alert.h"

namespace yagura::alerts {

/// A line of Snort's alert_fast (2 and 3), or of Suricata's fast.log, which has the same form:
///
///     11/28-19:00:00.123456  [**] [1:2003068:7] ET SCAN Potential SSH Scan [**] [Classification: Attempted
///     Information Leak] [Priority: 2] {TCP} 10.0.0.1:4000 -> 10.0.0.2:22
///
/// on one line; IPv6 ends with ports are written 2001:db8::1:4000.
Reading read_snort(std::string_view line);

}  // namespace yagura::alerts
