// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace yagura::alerts {

/// Texts of an alert are cut to so many bytes: they are for people and for patterns.
inline constexpr std::size_t kMaxText = 512;
/// Ids and time stamps that are longer are none.
inline constexpr std::size_t kMaxWord = 64;

/// An IP address in its usual form (inet_ntop), so that two ways to write one are the same text.
struct Address {
    std::string text;
    unsigned ip_version = 4;

    friend bool operator==(const Address&, const Address&) = default;
};
/// Numbers and dots, or RFC 4291 without a zone: nothing else, no blanks, no leading zeros in IPv4.
std::optional<Address> parse_address(std::string_view text);
/// 0 to 65535 in digits.
std::optional<std::uint16_t> parse_port(std::string_view text);
/// A whole number in digits.
std::optional<std::uint64_t> parse_number(std::string_view text);

/// Both ends of a flow. Ports are 0 where the protocol has none.
struct Connection {
    std::string protocol;  ///< as yagura calls it: "tcp"
    Address source;
    Address destination;
    std::uint16_t source_port = 0;
    std::uint16_t destination_port = 0;
};
/// Nothing when both ends are not of the same IP version, or the protocol is none that yagura calls by a
/// name. `protocol` in any case: "TCP", "IPv6-ICMP". Ports of protocols without are left out.
std::optional<Connection> make_connection(std::string_view protocol, const std::optional<Address>& source,
                                          std::optional<std::uint16_t> source_port,
                                          const std::optional<Address>& destination,
                                          std::optional<std::uint16_t> destination_port);
/// "tcp 10.0.0.1:4000 > 10.0.0.2:80", "tcp [2001:db8::1]:4000 > [2001:db8::2]:80", "icmp 10.0.0.1
/// > 10.0.0.2".
std::string flow_text(const Connection& connection);

/// One alert of a tool, as far as a verdict depends on it.
struct Alert {
    std::string_view tool;                   ///< "suricata", "zeek", "snort"
    std::optional<std::uint64_t> signature;  ///< its number, where the tool has numbers
    std::uint64_t generator = 1;             ///< of the number: 1 is that of rules
    std::optional<std::uint64_t> severity;   ///< 1 is the worst
    std::string note;                        ///< Zeek's: "Scan::Port_Scan"
    std::string text;                        ///< what it says, up to kMaxText
    std::string id;                          ///< the tool's own name for the flow; may be empty
    std::string time;                        ///< as the tool writes it
    std::optional<Connection> connection;
    std::optional<Address> source;
    std::optional<Address> destination;
};

/// What raised it: "suricata 1:2003068", "zeek Scan::Port_Scan".
std::string origin_of(const Alert& alert);

/// Why a line is not understood. Each kind is counted by itself.
enum class Fault : std::uint8_t {
    kTooLong,       ///< cut by the reader of lines
    kNotJson,       ///< or nested too deep, or no UTF-8
    kNoSignature,   ///< an alert without what it is about
    kBadAddress,    ///< an address or port is none
    kNoHeader,      ///< of a Zeek log: rows before #fields
    kNotNotice,     ///< of a Zeek log: columns that are none of notice.log's
    kWrongColumns,  ///< of a Zeek log: a row that has more or fewer than #fields
    kNotAlert,      ///< not in the form of alert_fast
};
inline constexpr std::size_t kFaults = 8;
/// "is not JSON": what is wrong with the line.
std::string_view fault_text(Fault fault);

/// A line that is right and no alert: another event, a comment.
struct Other {};
using Reading = std::variant<Alert, Other, Fault>;

/// The beginning of a text, not in the middle of a UTF-8 sequence.
std::string cut_text(std::string_view text, std::size_t most = kMaxText);

}  // namespace yagura::alerts
