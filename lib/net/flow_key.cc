// SPDX-License-Identifier: BSD-3-Clause
#include "net/flow_key.h"

#include <arpa/inet.h>

#include <cstddef>
#include <cstring>

#include "base/bytes.h"
#include "base/hash.h"

namespace yagura::net {

FlowKey FlowKey::reversed() const {
    FlowKey r = *this;
    r.src = dst;
    r.dst = src;
    r.sport = dport;
    r.dport = sport;
    return r;
}

bool FlowKey::is_canonical() const {
    const int order = std::memcmp(src.data(), dst.data(), src.size());
    return order < 0 || (order == 0 && sport <= dport);
}

std::uint64_t FlowKey::symmetric_hash(std::uint64_t seed) const {
    using base::load_u64;
    using base::mix;
    // Each end is mixed by itself, then the two are combined by operations that do not know their order.
    const auto end = [seed](const IpAddress& address, std::uint16_t port) {
        return mix(load_u64(address.data()) ^ base::kHashA ^ seed,
                   load_u64(address.data() + 8) ^ base::kHashB ^ (std::uint64_t{port} << 40));
    };
    static_assert(offsetof(FlowKey, domain) + sizeof domain == sizeof(FlowKey) && sizeof domain == 6);
    const std::uint64_t last = load_u64(reinterpret_cast<const std::uint8_t*>(this) + sizeof *this - 8);
    const std::uint64_t others = last & ~std::uint64_t{0xffff};  // domain
    const std::uint64_t a = end(src, sport);
    const std::uint64_t b = end(dst, dport);
    return mix((a + b) ^ base::kHashC,
               (a ^ b) ^ base::kHashD ^ (std::uint64_t{proto} << 8 | ip_version) ^ others ^ seed);
}

std::string to_string(const IpAddress& address, std::uint8_t ip_version) {
    char text[INET6_ADDRSTRLEN];
    inet_ntop(ip_version == 4 ? AF_INET : AF_INET6, address.data(), text, sizeof text);
    return text;
}

std::string protocol_name(std::uint8_t proto) {
    switch (proto) {
        case 1:
            return "icmp";
        case 2:
            return "igmp";
        case 6:
            return "tcp";
        case 17:
            return "udp";
        case 33:
            return "dccp";
        case 47:
            return "gre";
        case 50:
            return "esp";
        case 51:
            return "ah";
        case 58:
            return "icmpv6";
        case 89:
            return "ospf";
        case 103:
            return "pim";
        case 112:
            return "vrrp";
        case 132:
            return "sctp";
        case 136:
            return "udplite";
        default:
            return std::to_string(proto);
    }
}

}  // namespace yagura::net
