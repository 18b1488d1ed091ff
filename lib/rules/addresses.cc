// SPDX-License-Identifier: BSD-3-Clause
#include "rules/addresses.h"

#include <fmt/format.h>

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <system_error>

#include "net/packet_builder.h"

namespace yagura::rules {
namespace {

constexpr std::uint8_t full_length(std::uint8_t ip_version) {
    return ip_version == 4 ? 32 : 128;
}

/// All of the text is one number of this base, without sign.
std::optional<std::uint8_t> number(std::string_view text, int base, unsigned most) {
    unsigned value = 0;
    const char* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, value, base);
    if (error != std::errc{} || rest != end || value > most) return std::nullopt;
    return static_cast<std::uint8_t>(value);
}

}  // namespace

std::optional<IpPrefix> parse_prefix(std::string_view text) {
    const std::size_t slash = text.find('/');
    const auto address = net::parse_address(text.substr(0, slash));
    if (!address) return std::nullopt;
    IpPrefix prefix{.address = address->address,
                    .ip_version = address->ip_version,
                    .length = full_length(address->ip_version)};
    if (slash == std::string_view::npos) return prefix;
    const auto length = number(text.substr(slash + 1), 10, prefix.length);
    if (!length) return std::nullopt;
    prefix.length = *length;
    return prefix;
}

IpPrefix without_host_bits(const IpPrefix& prefix) {
    IpPrefix masked = prefix;
    for (std::size_t byte = 0; byte < masked.address.size(); ++byte) {
        const std::size_t first = 8 * byte;
        if (first + 8 <= prefix.length) continue;
        const std::size_t kept = prefix.length > first ? prefix.length - first : 0;
        masked.address[byte] = static_cast<std::uint8_t>(masked.address[byte] & 0xff00u >> kept);
    }
    return masked;
}

std::string prefix_text(const IpPrefix& prefix) {
    const std::string address = net::to_string(prefix.address, prefix.ip_version);
    return prefix.length == full_length(prefix.ip_version) ? address
                                                           : fmt::format("{}/{}", address, prefix.length);
}

std::optional<net::MacAddress> parse_mac(std::string_view text) {
    net::MacAddress address{};
    if (text.size() != 3 * address.size() - 1) return std::nullopt;
    for (std::size_t i = 0; i < address.size(); ++i) {
        if (i > 0 && text[3 * i - 1] != ':') return std::nullopt;
        const auto byte = number(text.substr(3 * i, 2), 16, 0xff);
        if (!byte) return std::nullopt;
        address[i] = *byte;
    }
    return address;
}

std::string mac_text(const net::MacAddress& address) {
    return fmt::format("{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", address[0], address[1], address[2],
                       address[3], address[4], address[5]);
}

}  // namespace yagura::rules
