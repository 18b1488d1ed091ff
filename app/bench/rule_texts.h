// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "net/flow_key.h"
#include "select/policy.h"

namespace yagura::bench {

/// The n-th of a great many TCP flows, each different (n below 2^20), none with port 80.
net::FlowKey nth_flow(std::uint32_t n);

/// A plain 5-tuple: that the n-th flow satisfies, in its own direction, and no other.
std::string plain_filter(std::uint32_t n);
/// No conjunction of plain terms, but a question about the flow alone, which the n-th flow satisfies.
std::string flow_filter(std::uint32_t n);
/// A question that must be asked of every packet.
std::string packet_filter(std::uint32_t n);

/// One tool gets TCP port 80; of so many rules the others, which are plain 5-tuples, come before that.
base::Result<std::shared_ptr<const select::PolicySnapshot>> policy_of_port_80(std::uint32_t rules);

}  // namespace yagura::bench
