// SPDX-License-Identifier: BSD-3-Clause
#include <emmintrin.h>

#include <algorithm>

#include "net/cursor.h"
#include "net/layer_walker.h"
#include "net/parser.h"
#include "net/protocol_numbers.h"

// parse(), and its fast path for what nearly all packets of an Ethernet are: IPv4 without options or IPv6
// without extension headers, no fragment, sound TCP or UDP; untagged, with one or two VLAN tags, or such a
// packet in VXLAN over untagged IPv4. It finds what LayerWalker finds, to the bit, and leaves to that what is
// anything else, or too short for TCP.
namespace yagura::net {
namespace {

constexpr std::size_t kEthernet = 14;
constexpr std::size_t kTag = 4;
constexpr std::size_t kIpv4 = 20;
constexpr std::size_t kIpv6 = 40;
constexpr std::size_t kTcp = 20;
constexpr std::size_t kUdp = 8;
constexpr std::size_t kVxlan = 8;

/// Of the IPv4 word with fragment flags and offset, time to live and protocol: that it is no fragment, and
/// the protocol.
constexpr std::uint32_t kNoFragmentAndProtocol = 0x3fff00ff;

bool is_tunnel_port(std::uint16_t port) {
    return port == udp_port::kVxlan || port == udp_port::kVxlanLinux || port == udp_port::kGeneve ||
           port == udp_port::kGtpU;
}

/// The two addresses of a key, as they stand in it.
struct Addresses {
    __m128i src;
    __m128i dst;
};

/// Where a packet's transport header and payload are.
struct Places {
    std::size_t ip;
    std::size_t transport;
    std::size_t payload;
    std::size_t payload_end;
};

/// Writes all of `out` but fragment_id, in few stores. `ports`: the four bytes of the header.
[[gnu::always_inline]] inline void write(ParsedPacket& out, const Places& places, std::uint8_t tcp_flags,
                                         const Addresses& addresses, std::uint32_t ports, std::uint8_t proto,
                                         std::uint8_t ip_version) {
    using base::store_u32;
    using base::store_u64;
    auto* const to = reinterpret_cast<std::uint8_t*>(&out);

    static_assert(offsetof(ParsedPacket, outer_ip) == 0 && offsetof(ParsedPacket, inner_ip) == 2 &&
                  offsetof(ParsedPacket, transport) == 4 && offsetof(ParsedPacket, payload) == 6);
    store_u64(to, std::uint64_t{places.ip} * 0x10001 + (places.transport << 32) + (places.payload << 48));

    static_assert(offsetof(ParsedPacket, payload_size) == 8);
    store_u32(to + 8, static_cast<std::uint32_t>(places.payload_end - places.payload));

    // The bytes between are 0: sound, no tunnel, no tag, no fragment.
    static_assert(offsetof(ParsedPacket, tcp_flags) == 12 && offsetof(ParsedPacket, key_is_exact) == 19 &&
                  Malformed::kNone == Malformed{} && Tunnel::kNone == Tunnel{});
    store_u64(to + 12, std::uint64_t{1} << 56 | tcp_flags);

    constexpr std::size_t kKey = offsetof(ParsedPacket, key);
    static_assert(kKey == 20 && offsetof(FlowKey, src) == 0 && offsetof(FlowKey, dst) == 16);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + kKey), addresses.src);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + kKey + 16), addresses.dst);

    static_assert(offsetof(FlowKey, sport) == 32 && offsetof(FlowKey, dport) == 34);
    store_u32(to + kKey + 32, ports >> 16 | ports << 16);

    // One store, as FlowKey's hash reads it: a load out of two stores that are still under way has to wait
    // for them.
    static_assert(offsetof(FlowKey, proto) == 36 && offsetof(FlowKey, ip_version) == 37 &&
                  offsetof(FlowKey, domain) == 38 && sizeof(FlowKey) == 44);
    store_u64(to + kKey + 36, std::uint64_t{ip_version} << 8 | proto);

    static_assert(offsetof(ParsedPacket, vlans) == kKey + 44 &&
                  offsetof(ParsedPacket, tunnel_id) == kKey + 60 && sizeof(ParsedPacket::vlans) == 16);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + kKey + 44), _mm_setzero_si128());
    store_u32(to + kKey + 60, 0);
}

/// An IP packet of `packet_size` bytes by its own word, with a transport header `At` bytes from the cursor,
/// where `h` begins, too.
template <std::size_t At, std::uint8_t IpVersion, class Headers>
[[gnu::always_inline]] inline bool plain_tcp(const Headers& h, const Cursor& cursor, std::size_t packet_size,
                                             const Addresses& addresses, ParsedPacket& out) {
    const std::size_t end = kEthernet + packet_size;
    const std::size_t captured_end = std::min(cursor.readable(), end);
    const std::size_t size = std::size_t{h.template u8<At + 12>() & 0xf0u} >> 2;
    if (end > cursor.claimed() || size < kTcp || At + size > captured_end) return false;
    const std::size_t begin = cursor.position();
    write(out, {begin + kEthernet, begin + At, begin + At + size, begin + captured_end},
          h.template u8<At + 13>(), addresses, h.template be32<At>(), ip_proto::kTcp, IpVersion);
    return true;
}

template <std::size_t At, std::uint8_t IpVersion, class Headers>
[[gnu::always_inline]] inline bool plain_udp(const Headers& h, const Cursor& cursor, std::size_t packet_size,
                                             const Addresses& addresses, ParsedPacket& out) {
    const std::size_t end = kEthernet + packet_size;
    const std::size_t length = h.template be16<At + 4>();
    if (end > cursor.claimed() || length < kUdp || At + length > end) return false;
    if (is_tunnel_port(h.template be16<At + 2>())) [[unlikely]]
        return false;
    const std::size_t begin = cursor.position();
    const std::size_t captured_end = std::min(cursor.readable(), At + length);
    write(out, {begin + kEthernet, begin + At, begin + At + kUdp, begin + captured_end}, 0, addresses,
          h.template be32<At>(), ip_proto::kUdp, IpVersion);
    return true;
}

/// The cursor stands 14 bytes before an IP header: at an Ethernet header, or as many bytes behind its front
/// as there are tags in it, so that its type is where an untagged frame has it.
[[gnu::always_inline]] inline bool plain_ip(const Cursor& cursor, ParsedPacket& out) {
    constexpr std::size_t kBehindIpv4 = kEthernet + kIpv4;
    const auto h = cursor.header<kBehindIpv4 + kTcp>();
    if (!h) return false;
    // Type, version, header length.
    const std::uint32_t type = h.be32<12>();
    if ((type & 0xffffff00) == (std::uint32_t{ethertype::kIpv4} << 16 | 0x4500)) [[likely]] {
        const std::size_t size = h.be16<kEthernet + 2>();
        const std::uint32_t word = h.be32<kEthernet + 6>() & kNoFragmentAndProtocol;
        const Addresses addresses{
            _mm_cvtsi32_si128(static_cast<int>(base::load_u32(h.bytes<kEthernet + 12, 4>()))),
            _mm_cvtsi32_si128(static_cast<int>(base::load_u32(h.bytes<kEthernet + 16, 4>())))};
        if (word == ip_proto::kTcp) [[likely]]
            return plain_tcp<kBehindIpv4, 4>(h, cursor, size, addresses, out);
        return word == ip_proto::kUdp && plain_udp<kBehindIpv4, 4>(h, cursor, size, addresses, out);
    }
    if (type >> 12 != (ethertype::kIpv6 << 4 | 6)) return false;
    constexpr std::size_t kBehindIpv6 = kEthernet + kIpv6;
    const auto h6 = cursor.header<kBehindIpv6 + kTcp>();
    if (!h6) return false;
    const std::size_t size = kIpv6 + h6.be16<kEthernet + 4>();
    const std::uint8_t proto = h6.u8<kEthernet + 6>();
    const auto address = [](const std::uint8_t* bytes) {
        return _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes));
    };
    const Addresses addresses{address(h6.bytes<kEthernet + 8, 16>()),
                              address(h6.bytes<kEthernet + 24, 16>())};
    if (proto == ip_proto::kTcp) return plain_tcp<kBehindIpv6, 6>(h6, cursor, size, addresses, out);
    return proto == ip_proto::kUdp && plain_udp<kBehindIpv6, 6>(h6, cursor, size, addresses, out);
}
/// The same as a call, for where the cursor is anywhere.
[[gnu::noinline]] bool plain_ip_anywhere(const Cursor& cursor, ParsedPacket& out) {
    return plain_ip(cursor, out);
}

bool is_tag(std::uint16_t type) {
    return type == ethertype::kVlan || type == ethertype::kQinQ || type == ethertype::kOldQinQ ||
           type == ethertype::kOldQinQ2;
}

/// The frame's type is that of a tag.
bool plain_tagged(Cursor cursor, ParsedPacket& out) {
    std::array<std::uint16_t, 2> ids;
    std::uint8_t count = 0;
    std::uint16_t type = 0;
    do {
        const auto h = cursor.header<kEthernet + kTag>();
        if (!h || !cursor.advance(kTag)) return false;
        ids[count++] = h.be16<kEthernet>() & 0x0fff;
        type = h.be16<kEthernet + 2>();
    } while (count < ids.size() && is_tag(type));
    if (!plain_ip_anywhere(cursor, out)) return false;
    for (std::size_t i = 0; i < count; ++i) out.vlans[i] = ids[i];
    out.vlan_count = count;
    return true;
}

/// RFC 7348, in IPv4.
bool plain_vxlan(Cursor cursor, ParsedPacket& out) {
    constexpr std::size_t kUdpAt = kEthernet + kIpv4;
    constexpr std::size_t kInner = kUdpAt + kUdp + kVxlan;
    const auto h = cursor.header<kInner>();
    if (!h || h.u8<kEthernet>() != 0x45) return false;
    if ((h.be32<kEthernet + 6>() & kNoFragmentAndProtocol) != ip_proto::kUdp) return false;
    const std::uint16_t port = h.be16<kUdpAt + 2>();
    if (port != udp_port::kVxlan && port != udp_port::kVxlanLinux) return false;
    const std::size_t end = kEthernet + h.be16<kEthernet + 2>();
    const std::size_t length = h.be16<kUdpAt + 4>();
    if (end > cursor.claimed() || length < kUdp + kVxlan || kUdpAt + length > end) return false;
    constexpr unsigned kHasVni = 0x08;
    if ((h.u8<kUdpAt + kUdp>() & kHasVni) == 0 || !cursor.advance(kInner)) return false;
    cursor.claim(length - kUdp - kVxlan);
    if (!plain_ip_anywhere(cursor, out)) return false;
    out.outer_ip = kEthernet;
    out.tunnel = Tunnel::kVxlan;
    out.tunnel_depth = 1;
    out.tunnel_id = h.be32<kUdpAt + kUdp + 4>() >> 8;
    return true;
}

/// With tags or a tunnel.
bool plain_with_more(const Cursor& cursor, ParsedPacket& out) {
    const auto ethernet = cursor.header<kEthernet>();
    if (!ethernet) return false;
    const std::uint16_t type = ethernet.be16<12>();
    if (is_tag(type)) return plain_tagged(cursor, out);
    return type == ethertype::kIpv4 && plain_vxlan(cursor, out);
}

[[gnu::noinline]] void parse_further(base::Bytes frame, std::size_t wire_length, LinkType link_type,
                                     ParsedPacket& out) {
    if (link_type == LinkType::kEthernet && plain_with_more(Cursor(frame, wire_length), out)) return;
    out = {};
    LayerWalker(frame, wire_length, out).walk(link_type);
}

}  // namespace

void parse(base::Bytes frame, std::size_t wire_length, LinkType link_type, ParsedPacket& out) {
    if (link_type == LinkType::kEthernet && plain_ip(Cursor(frame, wire_length), out)) [[likely]]
        return;
    parse_further(frame, wire_length, link_type, out);
}

}  // namespace yagura::net
