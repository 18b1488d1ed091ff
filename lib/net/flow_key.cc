// SPDX-License-Identifier: BSD-3-Clause
#include "net/flow_key.h"

#include <arpa/inet.h>

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
    __extension__ using u128 = unsigned __int128;
    const auto number = [](const IpAddress& address) {
        return static_cast<u128>(base::load_u64(address.data() + 8)) << 64 | base::load_u64(address.data());
    };
    if (ip_version != 6) return ipv4_end(src, sport) <= ipv4_end(dst, dport);
    const u128 a = number(src);
    const u128 b = number(dst);
    if (a == b) [[unlikely]]
        return sport <= dport;
    return a < b;
}

FlowKey::HashAndDirection FlowKey::ipv6_hash_and_direction(const HashSeed& seed) const {
    using base::load_u64;
    using base::mix;
    const bool reversed = !is_canonical();
    const auto change_places = [back = -std::uint64_t{reversed}](std::uint64_t& a, std::uint64_t& b) {
        const std::uint64_t change = (a ^ b) & back;
        a ^= change;
        b ^= change;
    };
    const auto end = [&seed](const IpAddress& address) {
        return mix(load_u64(address.data()) ^ seed.a, load_u64(address.data() + 8) ^ seed.b);
    };
    std::uint64_t a = end(src);
    std::uint64_t b = end(dst);
    std::uint64_t a_port = sport;
    std::uint64_t b_port = dport;
    change_places(a, b);
    change_places(a_port, b_port);
    return {mix(a ^ (a_port << 16 | b_port), b ^ rest()), reversed};
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
