// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "drivers/pcap/capture_source.h"
#include "rules/config.h"

namespace yagura::broker {

/// Which capture stands in for which network port. `inputs`: the values of --in, in their order, each a list
/// "A.pcap,B.pcap" or "PORT=FILE,...". The n-th capture without a name is the n-th network port's among those
/// that no capture names; further ones go to the last of these. An error names the argument.
base::Result<std::vector<pcap::CaptureInput>> assign_captures(const std::vector<std::string>& inputs,
                                                              const rules::Config& config);

}  // namespace yagura::broker
