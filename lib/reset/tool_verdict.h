// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <optional>

#include "base/bytes.h"
#include "net/flow_key.h"
#include "net/parser.h"

namespace yagura::reset {

/// The flow that a frame asks to be cut, when a tool has sent it into the port where it gets its packets, as
/// inline tools do: that of a RST, or of the packet that an ICMP or ICMPv6 "destination unreachable" quotes.
/// Either direction, without domain. Nothing: it is something else, or damaged.
std::optional<net::FlowKey> tool_verdict(base::Bytes frame, const net::ParsedPacket& parsed);

}  // namespace yagura::reset
