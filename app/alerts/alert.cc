// SPDX-License-Identifier: BSD-3-Clause
#include "app/alerts/alert.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <charconv>

namespace yagura::alerts {
namespace {

struct Protocol {
    std::string_view theirs;  ///< lower case
    std::string_view ours;
    bool has_ports;
};
constexpr std::array kProtocols{
    Protocol{"tcp", "tcp", true},           Protocol{"udp", "udp", true},
    Protocol{"sctp", "sctp", true},         Protocol{"icmp", "icmp", false},
    Protocol{"icmp6", "icmpv6", false},     Protocol{"icmpv6", "icmpv6", false},
    Protocol{"ipv6-icmp", "icmpv6", false}, Protocol{"gre", "gre", false},
    Protocol{"esp", "esp", false},
};

const Protocol* find_protocol(std::string_view word) {
    std::string lower(word);
    for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    const auto* found = std::ranges::find(kProtocols, lower, &Protocol::theirs);
    return found != kProtocols.end() ? found : nullptr;
}

template <class Number>
std::optional<Number> parse_digits(std::string_view text) {
    Number value{};
    const char* end = text.data() + text.size();
    const auto read = std::from_chars(text.data(), end, value);
    if (read.ec != std::errc{} || read.ptr != end) return std::nullopt;
    return value;
}

std::string end_text(const Address& address, std::uint16_t port, bool has_ports) {
    if (!has_ports) return address.text;
    return address.ip_version == 6 ? fmt::format("[{}]:{}", address.text, port)
                                   : fmt::format("{}:{}", address.text, port);
}

}  // namespace

std::optional<Address> parse_address(std::string_view text) {
    // Longer than any, and inet_pton would stop at a NUL.
    if (text.size() >= INET6_ADDRSTRLEN || text.find('\0') != std::string_view::npos) return std::nullopt;
    const std::string terminated(text);
    std::array<std::uint8_t, 16> bytes{};
    std::array<char, INET6_ADDRSTRLEN> name{};
    for (const int family : {AF_INET, AF_INET6}) {
        if (inet_pton(family, terminated.c_str(), bytes.data()) != 1) continue;
        inet_ntop(family, bytes.data(), name.data(), name.size());
        return Address{.text = name.data(), .ip_version = family == AF_INET ? 4u : 6u};
    }
    return std::nullopt;
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
    return parse_digits<std::uint16_t>(text);
}

std::optional<std::uint64_t> parse_number(std::string_view text) {
    return parse_digits<std::uint64_t>(text);
}

std::optional<Connection> make_connection(std::string_view protocol, const std::optional<Address>& source,
                                          std::optional<std::uint16_t> source_port,
                                          const std::optional<Address>& destination,
                                          std::optional<std::uint16_t> destination_port) {
    const Protocol* known = find_protocol(protocol);
    if (known == nullptr || !source || !destination || source->ip_version != destination->ip_version)
        return std::nullopt;
    if (known->has_ports && (!source_port || !destination_port)) return std::nullopt;
    // ICMP is written alike for both.
    const std::string_view name =
        known->ours == "icmp" && source->ip_version == 6 ? std::string_view("icmpv6") : known->ours;
    return Connection{.protocol = std::string(name),
                      .source = *source,
                      .destination = *destination,
                      .source_port = known->has_ports ? *source_port : std::uint16_t{0},
                      .destination_port = known->has_ports ? *destination_port : std::uint16_t{0}};
}

std::string flow_text(const Connection& connection) {
    const Protocol* known = find_protocol(connection.protocol);
    const bool has_ports = known != nullptr && known->has_ports;
    return fmt::format("{} {} > {}", connection.protocol,
                       end_text(connection.source, connection.source_port, has_ports),
                       end_text(connection.destination, connection.destination_port, has_ports));
}

std::string origin_of(const Alert& alert) {
    if (alert.signature) return fmt::format("{} {}:{}", alert.tool, alert.generator, *alert.signature);
    return fmt::format("{} {}", alert.tool, alert.note);
}

std::string_view fault_text(Fault fault) {
    switch (fault) {
        case Fault::kTooLong:
            return "is longer than 1 MiB";
        case Fault::kNotJson:
            return "is not JSON that can be read";
        case Fault::kNoSignature:
            return "is an alert, and does not say of which signature";
        case Fault::kBadAddress:
            return "has no two IP addresses with their ports";
        case Fault::kNoHeader:
            return "stands before the line #fields of a Zeek log";
        case Fault::kNotNotice:
            return "is of a Zeek log that is not notice.log";
        case Fault::kWrongColumns:
            return "has other columns than #fields of its Zeek log says";
        case Fault::kNotAlert:
            return "is not in the form that alert_fast writes";
    }
    return "";
}

std::string cut_text(std::string_view text, std::size_t most) {
    if (text.size() <= most) return std::string(text);
    std::size_t end = most;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
    return std::string(text.substr(0, end));
}

}  // namespace yagura::alerts
