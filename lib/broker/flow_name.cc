// SPDX-License-Identifier: BSD-3-Clause
#include "broker/flow_name.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <array>
#include <charconv>
#include <optional>

#include "net/protocol_numbers.h"

namespace yagura::broker {
namespace {

constexpr std::string_view kExamples =
    "write for instance 'tcp 10.0.0.1:1234 > 10.0.0.2:80', 'udp [2001:db8::1]:5000 > [2001:db8::2]:53' or "
    "'icmp 10.0.0.1 > 10.0.0.2'";

bool has_ports(std::uint8_t proto) {
    using namespace net::ip_proto;
    return proto == kTcp || proto == kUdp || proto == kSctp || proto == kDccp || proto == kUdpLite;
}

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view kBlank = " \t\r\n";
    const std::size_t begin = text.find_first_not_of(kBlank);
    if (begin == std::string_view::npos) return {};
    return text.substr(begin, text.find_last_not_of(kBlank) - begin + 1);
}

template <class Number>
std::optional<Number> number(std::string_view text) {
    Number value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || text.empty()) return std::nullopt;
    return value;
}

struct End {
    net::IpAddress address{};
    std::uint8_t ip_version = 0;
    std::optional<std::uint16_t> port;
};

base::Result<End> parse_end(std::string_view text) {
    const auto wrong = [&](const char* what) {
        return base::Error{fmt::format("\"{}\" is not {}", text, what)};
    };
    std::string_view address = text;
    std::optional<std::string_view> port;
    if (text.starts_with('[')) {
        const std::size_t close = text.find(']');
        if (close == std::string_view::npos) return wrong("an address: \"]\" is missing");
        address = text.substr(1, close - 1);
        const std::string_view rest = text.substr(close + 1);
        if (!rest.empty() && rest[0] != ':') return wrong("an address and a port: write [ADDRESS]:PORT");
        if (!rest.empty()) port = rest.substr(1);
    } else if (const std::size_t colon = text.find(':');
               colon != std::string_view::npos && text.find(':', colon + 1) == std::string_view::npos) {
        address = text.substr(0, colon);
        port = text.substr(colon + 1);
    }
    End end;
    const std::string name(address);
    if (inet_pton(AF_INET, name.c_str(), end.address.data()) == 1 && !text.starts_with('[')) {
        end.ip_version = 4;
    } else if (inet_pton(AF_INET6, name.c_str(), end.address.data()) == 1) {
        end.ip_version = 6;
    } else {
        return wrong(
            "an IP address (names are not looked up; an IPv6 address with a port is written [ADDRESS]:PORT)");
    }
    if (!port) return end;
    end.port = number<std::uint16_t>(*port);
    if (!end.port) return wrong("an address and a port: a port is a number from 0 to 65535");
    return end;
}

base::Result<select::FlowTrace::Wanted> parse(std::string_view text) {
    const std::size_t arrow = text.find('>');
    if (arrow == std::string_view::npos || text.find('>', arrow + 1) != std::string_view::npos) {
        return base::Error{"two ends with one \">\" between them are needed"};
    }
    std::string_view left = text.substr(0, arrow);
    if (left.ends_with('-')) left.remove_suffix(1);
    left = trimmed(left);
    select::FlowTrace::Wanted wanted{.any_protocol = true};
    if (const std::size_t blank = left.find_first_of(" \t"); blank != std::string_view::npos) {
        const std::string_view word = left.substr(0, blank);
        const auto proto = protocol_number(word);
        if (!proto) {
            return base::Error{fmt::format(
                "\"{}\" is not a protocol; it is tcp, udp, sctp, icmp, icmpv6, ..., or its number", word)};
        }
        wanted.key.proto = *proto;
        wanted.any_protocol = false;
        left = trimmed(left.substr(blank));
    }
    const auto source = parse_end(left);
    if (!source) return source.error();
    const auto target = parse_end(trimmed(text.substr(arrow + 1)));
    if (!target) return target.error();
    if (source->ip_version != target->ip_version) {
        return base::Error{"one end is IPv4, the other IPv6"};
    }
    if (source->port.has_value() != target->port.has_value()) {
        return base::Error{"one end has a port, the other has none"};
    }
    if (!wanted.any_protocol && source->port.has_value() != has_ports(wanted.key.proto)) {
        return base::Error{
            fmt::format("{} {}", net::protocol_name(wanted.key.proto),
                        source->port ? "has no ports: leave them out" : "needs a port at each end")};
    }
    wanted.key.src = source->address;
    wanted.key.dst = target->address;
    wanted.key.sport = source->port.value_or(0);
    wanted.key.dport = target->port.value_or(0);
    wanted.key.ip_version = source->ip_version;
    return wanted;
}

}  // namespace

std::optional<std::uint8_t> protocol_number(std::string_view word) {
    if (const auto value = number<std::uint8_t>(word)) return value;
    if (word == "icmp6" || word == "ipv6-icmp") return net::ip_proto::kIcmpv6;
    for (unsigned proto = 0; proto < 256; ++proto) {
        if (net::protocol_name(static_cast<std::uint8_t>(proto)) == word)
            return static_cast<std::uint8_t>(proto);
    }
    return std::nullopt;
}

base::Result<select::FlowTrace::Wanted> parse_flow_name(std::string_view text) {
    auto wanted = parse(trimmed(text));
    if (wanted) return wanted;
    return base::Error{fmt::format("'{}': {}; {}", text, wanted.error().message, kExamples)};
}

std::string end_name(const net::IpAddress& address, std::uint16_t port, const net::FlowKey& key) {
    const std::string text = net::to_string(address, key.ip_version);
    if (!has_ports(key.proto) && key.sport == 0 && key.dport == 0) return text;
    return key.ip_version == 6 ? fmt::format("[{}]:{}", text, port) : fmt::format("{}:{}", text, port);
}

std::string flow_name(const net::FlowKey& key, bool any_protocol) {
    return fmt::format("{}{}{} > {}", any_protocol ? "" : net::protocol_name(key.proto),
                       any_protocol ? "" : " ", end_name(key.src, key.sport, key),
                       end_name(key.dst, key.dport, key));
}

std::string_view flow_state_name(flow::TcpState state) {
    constexpr std::array<std::string_view, 8> kNames{"opening", "established", "closing", "closing",
                                                     "closed",  "reset",       "reset",   "reset"};
    return kNames[static_cast<std::size_t>(state)];
}

}  // namespace yagura::broker
