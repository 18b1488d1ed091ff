// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "net/parser.h"

namespace yagura::pcap {

/// The link type of a capture file's number (tcpdump.org/linktypes.html), or nothing if yagura does not read
/// it. 12 and 14 are raw IP in files whose writer put the platform's DLT_ value there.
std::optional<net::LinkType> supported_link_type(std::uint16_t number);

/// "Ethernet (1)", "IEEE802_11_RADIOTAP (127)", "link type 4711".
std::string describe_link_type(std::uint16_t number);
inline std::string describe_link_type(net::LinkType type) {
    return describe_link_type(static_cast<std::uint16_t>(type));
}

/// Those that are read, for error messages.
std::string supported_link_types();

}  // namespace yagura::pcap
