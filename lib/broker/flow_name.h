// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "flow/tcp_state.h"
#include "select/flow_trace.h"

namespace yagura::broker {

/// Reads "tcp 10.0.0.1:1234 > 10.0.0.2:80", "[2001:db8::1]:1234 -> [2001:db8::2]:80" (any protocol that has
/// ports), "icmp 10.0.0.1 > 10.0.0.2". The error names the text, the reason and a right example.
base::Result<select::FlowTrace::Wanted> parse_flow_name(std::string_view text);

/// "tcp", "icmp6", "47": an IP protocol's number.
std::optional<std::uint8_t> protocol_number(std::string_view word);

/// "tcp 10.0.0.1:1234 > 10.0.0.2:80", which parse_flow_name() reads. Without a protocol when that means
/// nothing.
std::string flow_name(const net::FlowKey& key, bool any_protocol = false);
/// "10.0.0.1:1234", "[2001:db8::1]:80", or without a port where the protocol has none.
std::string end_name(const net::IpAddress& address, std::uint16_t port, const net::FlowKey& key);

/// "opening", "established", "closing", "closed", "reset".
std::string_view flow_state_name(flow::TcpState state);

}  // namespace yagura::broker
