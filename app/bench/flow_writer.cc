// SPDX-License-Identifier: BSD-3-Clause
#include "app/bench/flow_writer.h"

#include <cstring>

#include "net/protocol_numbers.h"

namespace yagura::bench {
namespace {

constexpr std::size_t kIpv4Checksum = 10;
constexpr std::size_t kIpv4Addresses = 12;
constexpr std::size_t kIpv6Addresses = 8;
constexpr std::size_t kPorts = 4;
constexpr std::size_t kTcpChecksum = 16;
constexpr std::size_t kUdpChecksum = 6;
constexpr std::uint16_t kFirstOwnPort = 1024;
constexpr std::uint32_t kOwnPorts = 65536 - kFirstOwnPort;

/// Writes `size` (even) bytes; what that changes in a one's complement sum is added to `change`.
void replace(std::uint8_t* at, const std::uint8_t* with, std::size_t size, std::uint32_t& change) {
    for (std::size_t i = 0; i < size; i += 2) {
        change +=
            static_cast<std::uint16_t>(~base::load_be16(at + i)) + std::uint32_t{base::load_be16(with + i)};
    }
    std::memcpy(at, with, size);
}

std::uint16_t updated(std::uint16_t checksum, std::uint32_t change) {
    std::uint32_t sum = static_cast<std::uint16_t>(~checksum) + change;
    while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<std::uint16_t>(~sum);
}

std::uint16_t port_in_lap(std::uint16_t port, std::uint64_t lap) {
    if (port < kFirstOwnPort) return port;
    return static_cast<std::uint16_t>(kFirstOwnPort + (port - kFirstOwnPort + lap) % kOwnPorts);
}

}  // namespace

std::optional<FlowPlace> place_of_flow(base::Bytes frame, const net::ParsedPacket& parsed) {
    if (!parsed.has_flow()) return std::nullopt;
    FlowPlace place{.ip = parsed.inner_ip,
                    .transport = net::kNoOffset,
                    .ip_version = parsed.key.ip_version,
                    .proto = parsed.key.proto};
    const std::size_t needed = place.proto == net::ip_proto::kTcp    ? kTcpChecksum + 2
                               : place.proto == net::ip_proto::kUdp  ? kUdpChecksum + 2
                               : place.proto == net::ip_proto::kSctp ? kPorts
                                                                     : frame.size() + 1;
    if (parsed.transport != net::kNoOffset && parsed.transport + needed <= frame.size()) {
        place.transport = parsed.transport;
    }
    return place;
}

void write_flow(std::uint8_t* frame, const FlowPlace& place, const net::FlowKey& key) {
    std::uint8_t* ip = frame + place.ip;
    std::uint32_t change = 0;
    if (place.ip_version == 4) {
        replace(ip + kIpv4Addresses, key.src.data(), 4, change);
        replace(ip + kIpv4Addresses + 4, key.dst.data(), 4, change);
        base::store_be16(ip + kIpv4Checksum, updated(base::load_be16(ip + kIpv4Checksum), change));
    } else {
        replace(ip + kIpv6Addresses, key.src.data(), 16, change);
        replace(ip + kIpv6Addresses + 16, key.dst.data(), 16, change);
    }
    if (place.transport == net::kNoOffset) return;
    std::uint8_t* transport = frame + place.transport;
    std::uint8_t ports[kPorts];
    base::store_be16(ports, key.sport);
    base::store_be16(ports + 2, key.dport);
    replace(transport, ports, sizeof ports, change);
    if (place.proto == net::ip_proto::kSctp) return;
    const bool udp = place.proto == net::ip_proto::kUdp;
    std::uint8_t* at = transport + (udp ? kUdpChecksum : kTcpChecksum);
    const std::uint16_t old = base::load_be16(at);
    if (udp && old == 0) return;  // the sender made none
    const std::uint16_t checksum = updated(old, change);
    base::store_be16(at, udp && checksum == 0 ? 0xffff : checksum);
}

net::FlowKey flow_in_lap(net::FlowKey key, std::uint64_t lap) {
    // An odd factor: no two laps below 2^32 have the same mask.
    const auto mask = static_cast<std::uint32_t>(lap) * 0x9e3779b1u;
    const std::size_t last = key.ip_version == 4 ? 0 : 12;
    for (std::size_t i = 0; i < 4; ++i) {
        const auto byte = static_cast<std::uint8_t>(mask >> 8 * (3 - i));
        key.src[last + i] ^= byte;
        key.dst[last + i] ^= byte;
    }
    key.sport = port_in_lap(key.sport, lap);
    key.dport = port_in_lap(key.dport, lap);
    return key;
}

net::FlowKey made_flow(std::uint64_t n, bool chosen) {
    net::FlowKey key;
    key.src = {10, static_cast<std::uint8_t>(n >> 16), static_cast<std::uint8_t>(n >> 8),
               static_cast<std::uint8_t>(n)};
    key.dst = {192, 0, 2, 1};
    key.sport = static_cast<std::uint16_t>(kFirstOwnPort + ((n & 0xffff) * 7 + (n >> 24)) % kOwnPorts);
    key.dport = chosen ? 80 : 8080;
    key.proto = net::ip_proto::kTcp;
    key.ip_version = 4;
    return key;
}

}  // namespace yagura::bench
