// SPDX-License-Identifier: BSD-3-Clause
#include "reset/reset_builder.h"

#include <algorithm>
#include <cstring>

#include "net/checksum.h"
#include "net/cursor.h"
#include "net/protocol_numbers.h"
#include "reset/ip_packet.h"

namespace yagura::reset {
namespace {

constexpr std::size_t kTcpHeader = 20;
constexpr std::uint8_t kEcn = 0x03;

}  // namespace

void write_ip_header(std::uint8_t* to, const net::FlowKey& key, std::uint8_t proto, HopFields hop,
                     std::uint32_t label, std::size_t payload_size) {
    const std::uint8_t traffic_class = static_cast<std::uint8_t>(hop.traffic_class & ~kEcn);
    if (key.ip_version == 4) {
        constexpr std::uint16_t kDontFragment = 0x4000;
        to[0] = 0x45;
        to[1] = traffic_class;
        base::store_be16(to + 2, static_cast<std::uint16_t>(20 + payload_size));
        base::store_be16(to + 4, static_cast<std::uint16_t>(label));
        base::store_be16(to + 6, kDontFragment);
        to[8] = hop.ttl;
        to[9] = proto;
        base::store_be16(to + 10, 0);
        std::memcpy(to + 12, key.src.data(), 4);
        std::memcpy(to + 16, key.dst.data(), 4);
        base::store_be16(to + 10, net::internet_checksum({to, 20}));
        return;
    }
    base::store_be32(to, std::uint32_t{6} << 28 | std::uint32_t{traffic_class} << 20 | (label & 0xfffff));
    base::store_be16(to + 4, static_cast<std::uint16_t>(payload_size));
    to[6] = proto;
    to[7] = hop.ttl;
    std::memcpy(to + 8, key.src.data(), 16);
    std::memcpy(to + 24, key.dst.data(), 16);
}

Crafted ResetBuilder::segment(const Encapsulation& around, const net::FlowKey& key, HopFields hop,
                              const Segment& segment, std::span<std::uint8_t> out) const {
    if (key.ip_version == 0) return {.refusal = Refusal::kNoFlow};
    if (key.proto != net::ip_proto::kTcp) return {.refusal = Refusal::kNotTcp};
    const std::size_t ip_size = ip_header_size(key.ip_version);
    const std::size_t size = around.size() + ip_size + kTcpHeader;
    const std::size_t padded = std::max(size, kMinFrame);
    if (out.size() < padded) return {.refusal = Refusal::kNoRoom};

    const Mark mark(secret_, key, segment.seq, segment.ack, segment.flags);
    const bool is_reset = (segment.flags & net::tcp_flag::kRst) != 0;
    std::uint8_t* const ip = &out[around.size()];
    write_ip_header(ip, key, net::ip_proto::kTcp, hop, key.ip_version == 4 ? mark.ip_id() : mark.flow_label(),
                    kTcpHeader);
    std::uint8_t* const tcp = ip + ip_size;
    base::store_be16(tcp, key.sport);
    base::store_be16(tcp + 2, key.dport);
    base::store_be32(tcp + 4, segment.seq);
    base::store_be32(tcp + 8, segment.ack);
    tcp[12] = kTcpHeader / 4 << 4;
    tcp[13] = segment.flags;
    base::store_be16(tcp + 14, is_reset ? mark.window() : segment.window);
    base::store_be32(tcp + 16, 0);  // checksum, urgent pointer
    const std::uint32_t pseudo =
        net::pseudo_header_sum(key.src, key.dst, key.ip_version, net::ip_proto::kTcp, kTcpHeader);
    base::store_be16(tcp + 16, net::finish_sum(net::add_to_sum(pseudo, {tcp, kTcpHeader})));

    around.finish(out.first(size), mark.ip_id());
    std::fill(out.begin() + static_cast<std::ptrdiff_t>(size),
              out.begin() + static_cast<std::ptrdiff_t>(padded), std::uint8_t{0});
    return {.size = static_cast<std::uint32_t>(padded)};
}

bool ResetBuilder::is_own(base::Bytes frame, const net::ParsedPacket& parsed) const {
    if (parsed.malformed != net::Malformed::kNone || parsed.is_fragment ||
        parsed.transport == net::kNoOffset) {
        return false;
    }
    switch (parsed.key.proto) {
        case net::ip_proto::kTcp:
            return (parsed.tcp_flags & net::tcp_flag::kRst) != 0 && parsed.payload_size == 0 &&
                   is_own_reset(frame, parsed);
        case net::ip_proto::kIcmp:
        case net::ip_proto::kIcmpv6:
            return is_own_unreachable(frame, parsed);
        default:
            return false;
    }
}

namespace {

/// The headers of a TCP segment as segment() makes them.
struct PlainSegment {
    net::Header<8> ip;
    net::Header<kTcpHeader> tcp;

    PlainSegment(base::Bytes frame, const net::ParsedPacket& parsed) {
        const std::size_t ip_size = ip_header_size(parsed.key.ip_version);
        net::Cursor cursor(frame, frame.size());
        if (parsed.transport != parsed.inner_ip + ip_size ||
            parsed.payload != parsed.transport + kTcpHeader || !cursor.advance(parsed.inner_ip)) {
            return;
        }
        ip = cursor.header<8>();
        tcp = cursor.header<kTcpHeader>(ip_size);
    }
    bool is_whole() const { return ip && tcp; }
    Mark expected(const MarkKey& secret, const net::FlowKey& key) const {
        return {secret, key, tcp.be32<4>(), tcp.be32<8>(), tcp.u8<13>()};
    }
    bool has_label(const Mark& mark, std::uint8_t ip_version) const {
        return ip_version == 4 ? ip.be16<4>() == mark.ip_id() : (ip.be32<0>() & 0xfffff) == mark.flow_label();
    }
};

}  // namespace

bool ResetBuilder::is_own_reset(base::Bytes frame, const net::ParsedPacket& parsed) const {
    const PlainSegment segment(frame, parsed);
    if (!segment.is_whole()) return false;
    const Mark mark = segment.expected(secret_, parsed.key);
    return segment.tcp.be16<14>() == mark.window() && segment.has_label(mark, parsed.key.ip_version);
}

bool ResetBuilder::may_be_probe(base::Bytes frame, const net::ParsedPacket& parsed) const {
    if (parsed.key.proto != net::ip_proto::kTcp || parsed.tcp_flags != net::tcp_flag::kAck ||
        parsed.payload_size != 0 || parsed.malformed != net::Malformed::kNone || parsed.is_fragment ||
        parsed.transport == net::kNoOffset) {
        return false;
    }
    const PlainSegment segment(frame, parsed);
    return segment.is_whole() &&
           segment.has_label(segment.expected(secret_, parsed.key), parsed.key.ip_version);
}

}  // namespace yagura::reset
