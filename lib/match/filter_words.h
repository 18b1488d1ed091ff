// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <string_view>

namespace yagura::match {

/// What libpcap's reserved words (pcap-filter(7), scanner.l of 1.10) mean to us.
enum class WordClass : std::uint8_t {
    kUnknown,       ///< not reserved: a name
    kQualifier,     ///< an address may follow: host, net, src, tcp, ip6, ...
    kNotAnAddress,  ///< what follows is a number or a local name: port, proto, ...
    kOperator,      ///< and, or, not, len, less, ...
    kConstant,      ///< a named number: tcp-syn, icmptype, ...
    kLink,          ///< only has a meaning in a link header
    kCast,          ///< broadcast, multicast: of the link unless "ip" or "ip6" stands before
};
WordClass word_class(std::string_view word);

/// Link words whose argument is a local name: "type mgt", "ifname eth0", "dir fromds".
bool takes_a_name(std::string_view word);

}  // namespace yagura::match
