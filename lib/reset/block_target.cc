// SPDX-License-Identifier: BSD-3-Clause
#include "reset/block_target.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/bytes.h"
#include "net/packet_builder.h"
#include "net/protocol_numbers.h"

namespace yagura::reset {
namespace {

/// The first bits of eight bytes as they lie in memory; 64 and more: all.
std::uint64_t first_bits(unsigned bits) {
    if (bits == 0) return 0;
    return __builtin_bswap64(~std::uint64_t{0} << (64 - std::min(bits, 64u)));
}

net::IpAddress masked(net::IpAddress address, std::uint8_t length) {
    const auto keep = [](std::uint8_t* word, unsigned bits) {
        base::store_u64(word, base::load_u64(word) & first_bits(bits));
    };
    keep(address.data(), length);
    keep(address.data() + 8, length > 64 ? length - 64u : 0);
    return address;
}

template <class T>
std::optional<T> number(std::string_view text, unsigned most) {
    unsigned value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || text.empty() || value > most) return {};
    return static_cast<T>(value);
}

struct Endpoint {
    net::ParsedAddress address;
    std::uint16_t port;
};

/// "192.0.2.1:80" or "[2001:db8::1]:80".
std::optional<Endpoint> endpoint(std::string_view text) {
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos) return {};
    std::string_view host = text.substr(0, colon);
    const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
    if (bracketed) host = host.substr(1, host.size() - 2);
    const auto address = net::parse_address(host);
    const auto port = number<std::uint16_t>(text.substr(colon + 1), 65535);
    if (!address || !port || bracketed != (address->ip_version == 6)) return {};
    return Endpoint{*address, *port};
}

std::optional<std::uint8_t> protocol(std::string_view text) {
    if (text == "tcp") return net::ip_proto::kTcp;
    if (text == "udp") return net::ip_proto::kUdp;
    if (text == "sctp") return net::ip_proto::kSctp;
    return number<std::uint8_t>(text, 255);
}

std::optional<BlockTarget> connection_of(std::string_view text) {
    const std::size_t first = text.find(' ');
    const std::size_t second = text.find(' ', first + 1);
    if (second == std::string_view::npos) return {};
    const auto proto = protocol(text.substr(0, first));
    const auto from = endpoint(text.substr(first + 1, second - first - 1));
    const auto to = endpoint(text.substr(second + 1));
    if (!proto || !from || !to || from->address.ip_version != to->address.ip_version) return {};
    net::FlowKey key;
    key.src = from->address.address;
    key.dst = to->address.address;
    key.sport = from->port;
    key.dport = to->port;
    key.proto = *proto;
    key.ip_version = from->address.ip_version;
    return BlockTarget::connection(key);
}

}  // namespace

BlockTarget BlockTarget::prefix(const net::IpAddress& address, std::uint8_t ip_version, std::uint8_t length) {
    BlockTarget target;
    target.a = masked(address, length);
    target.ip_version = ip_version;
    target.length = length;
    return target;
}

BlockTarget BlockTarget::connection(const net::FlowKey& key) {
    const net::FlowKey canonical = key.canonical();
    BlockTarget target;
    target.kind = Kind::kConnection;
    target.a = canonical.src;
    target.b = canonical.dst;
    target.a_port = canonical.sport;
    target.b_port = canonical.dport;
    target.proto = canonical.proto;
    target.ip_version = canonical.ip_version;
    return target;
}

bool BlockTarget::covers(const net::IpAddress& address, std::uint8_t version) const {
    return kind == Kind::kPrefix && version == ip_version && masked(address, length) == a;
}

bool BlockTarget::covers(const net::FlowKey& key) const {
    if (kind == Kind::kConnection) return connection(key) == *this;
    return covers(key.src, key.ip_version) || covers(key.dst, key.ip_version);
}

std::string to_string(const BlockTarget& target) {
    const std::string address = net::to_string(target.a, target.ip_version);
    if (target.kind == BlockTarget::Kind::kPrefix) {
        const unsigned full = target.ip_version == 4 ? 32 : 128;
        return target.length == full ? address : fmt::format("{}/{}", address, target.length);
    }
    const char* const form = target.ip_version == 4 ? "{} {}:{} {}:{}" : "{} [{}]:{} [{}]:{}";
    std::string proto = std::to_string(target.proto);
    if (target.proto == net::ip_proto::kTcp || target.proto == net::ip_proto::kUdp ||
        target.proto == net::ip_proto::kSctp) {
        proto = net::protocol_name(target.proto);
    }
    return fmt::format(fmt::runtime(form), proto, address, target.a_port,
                       net::to_string(target.b, target.ip_version), target.b_port);
}

std::optional<BlockTarget> parse_block_target(std::string_view text) {
    if (text.find(' ') != std::string_view::npos) return connection_of(text);
    const std::size_t slash = text.find('/');
    const auto address = net::parse_address(text.substr(0, slash));
    if (!address) return {};
    if (slash == std::string_view::npos) return BlockTarget::host(address->address, address->ip_version);
    const auto network = parse_network(text);
    // What a person meant by bits behind the length, nobody knows: a host, or all of the network.
    if (!network || network->a != address->address) return {};
    return network;
}

std::optional<BlockTarget> parse_network(std::string_view text) {
    const std::size_t slash = text.find('/');
    if (slash == std::string_view::npos) return {};
    const auto address = net::parse_address(text.substr(0, slash));
    if (!address) return {};
    const auto length = number<std::uint8_t>(text.substr(slash + 1), address->ip_version == 4 ? 32 : 128);
    if (!length) return {};
    return BlockTarget::prefix(address->address, address->ip_version, *length);
}

}  // namespace yagura::reset
