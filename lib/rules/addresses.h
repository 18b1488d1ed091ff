// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "net/mac_address.h"
#include "rules/response.h"

/// Addresses as a configuration writes them.
namespace yagura::rules {

/// "10.0.0.0/8", "2001:db8::/32", or an address alone, which is a prefix of full length. Host bits stay as
/// they are written, see without_host_bits(). Nothing for any other text.
std::optional<IpPrefix> parse_prefix(std::string_view text);
IpPrefix without_host_bits(const IpPrefix& prefix);
/// "10.0.0.0/8"; of full length, the address alone.
std::string prefix_text(const IpPrefix& prefix);

/// "02:00:00:00:00:01": six pairs of hexadecimal digits. Nothing for any other text.
std::optional<net::MacAddress> parse_mac(std::string_view text);
std::string mac_text(const net::MacAddress& address);

}  // namespace yagura::rules
