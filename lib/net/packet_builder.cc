// SPDX-License-Identifier: BSD-3-Clause
#include "net/packet_builder.h"

#include <arpa/inet.h>

#include <algorithm>
#include <stdexcept>
#include <string>

#include "net/protocol_numbers.h"

namespace yagura::net {

namespace {

using Buffer = std::vector<std::uint8_t>;

void append(Buffer& buffer, base::Bytes bytes) {
    buffer.insert(buffer.end(), bytes.begin(), bytes.end());
}

void append_be16(Buffer& buffer, std::uint16_t value) {
    buffer.push_back(static_cast<std::uint8_t>(value >> 8));
    buffer.push_back(static_cast<std::uint8_t>(value));
}

void append_be32(Buffer& buffer, std::uint32_t value) {
    append_be16(buffer, static_cast<std::uint16_t>(value >> 16));
    append_be16(buffer, static_cast<std::uint16_t>(value));
}

void pad_to_words(Buffer& buffer) {
    while (buffer.size() % 4 != 0) buffer.push_back(0);
}

}  // namespace

std::optional<ParsedAddress> parse_address(std::string_view text) {
    const std::string terminated(text);
    ParsedAddress result;
    if (inet_pton(AF_INET, terminated.c_str(), result.address.data()) == 1) {
        result.ip_version = 4;
        return result;
    }
    if (inet_pton(AF_INET6, terminated.c_str(), result.address.data()) == 1) {
        result.ip_version = 6;
        return result;
    }
    return std::nullopt;
}

PacketBuilder& PacketBuilder::add(Kind kind, std::initializer_list<unsigned> bytes) {
    Layer layer{kind, {}};
    for (const unsigned byte : bytes) layer.bytes.push_back(static_cast<std::uint8_t>(byte));
    layers_.push_back(std::move(layer));
    return *this;
}

PacketBuilder::Layer& PacketBuilder::last(std::initializer_list<Kind> kinds) {
    for (auto layer = layers_.rbegin(); layer != layers_.rend(); ++layer) {
        if (std::find(kinds.begin(), kinds.end(), layer->kind) != kinds.end()) return *layer;
    }
    throw std::invalid_argument("packet builder: there is no header yet that this could belong to");
}

// Link layer

PacketBuilder& PacketBuilder::ethernet(const MacAddress& dst, const MacAddress& src) {
    add(Kind::kEthernet, {});
    append(layers_.back().bytes, dst);
    append(layers_.back().bytes, src);
    append_be16(layers_.back().bytes, 0);
    return *this;
}

PacketBuilder& PacketBuilder::llc_snap() {
    return add(Kind::kLlcSnap, {0xaa, 0xaa, 0x03, 0, 0, 0, 0, 0});
}

PacketBuilder& PacketBuilder::vlan(std::uint16_t id, std::uint16_t tpid, std::uint8_t priority) {
    const unsigned tci = (unsigned{priority} << 13) | (id & 0x0fffU);
    add(Kind::kVlan, {tci >> 8, tci, 0, 0});
    layers_.back().type = tpid;
    return *this;
}

PacketBuilder& PacketBuilder::vn_tag() {
    return add(Kind::kVnTag, {0x00, 0x01, 0x00, 0x02, 0, 0});
}

PacketBuilder& PacketBuilder::mpls(std::uint32_t label, std::uint8_t ttl) {
    return add(Kind::kMpls, {label >> 12, label >> 4, (label & 0x0f) << 4, ttl});
}

PacketBuilder& PacketBuilder::mpls_control_word() {
    return add(Kind::kControlWord, {0, 0, 0, 0});
}

PacketBuilder& PacketBuilder::pppoe(std::uint16_t session) {
    return add(Kind::kPppoe, {0x11, 0, unsigned{session} >> 8, session, 0, 0, 0, 0});
}

PacketBuilder& PacketBuilder::null_loop(std::uint32_t family, bool little_endian) {
    add(Kind::kNullLoop, {});
    append_be32(layers_.back().bytes, little_endian ? __builtin_bswap32(family) : family);
    return *this;
}

PacketBuilder& PacketBuilder::linux_cooked() {
    return add(Kind::kLinuxCooked, {0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 0, 0});
}

PacketBuilder& PacketBuilder::linux_cooked2() {
    return add(Kind::kLinuxCooked2, {0, 0, 0, 0, 0, 0, 0, 2, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0});
}

PacketBuilder& PacketBuilder::arp() {
    return add(Kind::kArp, {0,  1, 8, 0, 6, 4, 0, 1, 2, 0, 0,  0, 0, 1,  // request, from 02:00:00:00:00:01
                            10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2});
}

// IP

PacketBuilder& PacketBuilder::ipv4(const IpAddress& src, const IpAddress& dst) {
    add(Kind::kIpv4, {0x45, 0, 0, 0, 0, 0, 0, 0, 64, 0, 0, 0});
    append(layers_.back().bytes, base::Bytes(src).first(4));
    append(layers_.back().bytes, base::Bytes(dst).first(4));
    return *this;
}

PacketBuilder& PacketBuilder::ipv6(const IpAddress& src, const IpAddress& dst) {
    add(Kind::kIpv6, {0x60, 0, 0, 0, 0, 0, 0, 64});
    append(layers_.back().bytes, src);
    append(layers_.back().bytes, dst);
    return *this;
}

PacketBuilder& PacketBuilder::ip(std::uint8_t version, std::string_view src, std::string_view dst) {
    const auto from = parse_address(src);
    const auto to = parse_address(dst);
    if (!from || !to || from->ip_version != version || to->ip_version != version) {
        throw std::invalid_argument("packet builder: not an address of this version: " + std::string(src) +
                                    ", " + std::string(dst));
    }
    return version == 4 ? ipv4(from->address, to->address) : ipv6(from->address, to->address);
}

PacketBuilder& PacketBuilder::ipv4(std::string_view src, std::string_view dst) {
    return ip(4, src, dst);
}

PacketBuilder& PacketBuilder::ipv6(std::string_view src, std::string_view dst) {
    return ip(6, src, dst);
}

PacketBuilder& PacketBuilder::ttl(std::uint8_t hops) {
    Layer& layer = last({Kind::kIpv4, Kind::kIpv6});
    layer.bytes[layer.kind == Kind::kIpv4 ? 8 : 7] = hops;
    return *this;
}

PacketBuilder& PacketBuilder::ipv4_options(base::Bytes options) {
    Buffer& header = last({Kind::kIpv4}).bytes;
    append(header, options);
    pad_to_words(header);
    header[0] = static_cast<std::uint8_t>(0x40 | header.size() / 4);
    return *this;
}

PacketBuilder& PacketBuilder::fragment(std::uint16_t offset, bool more, std::uint16_t id) {
    std::uint8_t* header = last({Kind::kIpv4}).bytes.data();
    base::store_be16(header + 4, id);
    base::store_be16(header + 6, static_cast<std::uint16_t>(offset / 8 | (more ? 0x2000 : 0)));
    return *this;
}

PacketBuilder& PacketBuilder::ipv6_extension(std::uint8_t type, std::size_t size) {
    add(Kind::kIpExtension, {});
    Layer& layer = layers_.back();
    layer.type = type;
    layer.bytes.assign(size, 0);
    layer.bytes[1] = static_cast<std::uint8_t>(size / 8 - 1);
    if (type == ip_proto::kHopByHop || type == ip_proto::kDestinationOptions) {
        constexpr std::uint8_t kPadN = 1;
        for (std::size_t at = 2; at < size;) {
            const std::size_t option = std::min<std::size_t>(size - at, 256);
            layer.bytes[at] = option == 1 ? std::uint8_t{0} : kPadN;
            if (option > 1) layer.bytes[at + 1] = static_cast<std::uint8_t>(option - 2);
            at += option;
        }
    }
    return *this;
}

PacketBuilder& PacketBuilder::ipv6_fragment(std::uint16_t offset, bool more, std::uint32_t id) {
    add(Kind::kIpExtension, {0, 0});
    Layer& layer = layers_.back();
    layer.type = ip_proto::kFragment;
    append_be16(layer.bytes, static_cast<std::uint16_t>((offset & 0xfff8) | (more ? 1 : 0)));
    append_be32(layer.bytes, id);
    return *this;
}

PacketBuilder& PacketBuilder::authentication_header(std::size_t size) {
    add(Kind::kIpExtension, {});
    Layer& layer = layers_.back();
    layer.type = ip_proto::kAh;
    layer.bytes.assign(size, 0);
    layer.bytes[1] = static_cast<std::uint8_t>(size / 4 - 2);
    return *this;
}

// Transport

PacketBuilder& PacketBuilder::tcp(std::uint16_t sport, std::uint16_t dport, std::uint8_t flags,
                                  const TcpFields& fields) {
    add(Kind::kTcp, {});
    Buffer& header = layers_.back().bytes;
    append_be16(header, sport);
    append_be16(header, dport);
    append_be32(header, fields.seq);
    append_be32(header, fields.ack);
    header.push_back(0x50);
    header.push_back(flags);
    append_be16(header, fields.window);
    append_be32(header, 0);
    return *this;
}

PacketBuilder& PacketBuilder::tcp_options(base::Bytes options) {
    Buffer& header = last({Kind::kTcp}).bytes;
    append(header, options);
    pad_to_words(header);
    header[12] = static_cast<std::uint8_t>(header.size() / 4 << 4);
    return *this;
}

PacketBuilder& PacketBuilder::udp(std::uint16_t sport, std::uint16_t dport) {
    return add(Kind::kUdp, {unsigned{sport} >> 8, sport, unsigned{dport} >> 8, dport, 0, 0, 0, 0});
}

PacketBuilder& PacketBuilder::udp_lite(std::uint16_t sport, std::uint16_t dport) {
    return add(Kind::kUdpLite, {unsigned{sport} >> 8, sport, unsigned{dport} >> 8, dport, 0, 0, 0, 0});
}

PacketBuilder& PacketBuilder::sctp(std::uint16_t sport, std::uint16_t dport, std::uint32_t tag) {
    add(Kind::kSctp, {unsigned{sport} >> 8, sport, unsigned{dport} >> 8, dport});
    append_be32(layers_.back().bytes, tag);
    append_be32(layers_.back().bytes, 0);
    return *this;
}

PacketBuilder& PacketBuilder::dccp(std::uint16_t sport, std::uint16_t dport) {
    constexpr unsigned kData = 2;
    return add(Kind::kDccp,
               {unsigned{sport} >> 8, sport, unsigned{dport} >> 8, dport, 3, 0, 0, 0, kData << 1, 0, 0, 1});
}

PacketBuilder& PacketBuilder::icmp(std::uint8_t type, std::uint8_t code, std::uint32_t rest) {
    return add(Kind::kIcmp, {type, code, 0, 0, rest >> 24, rest >> 16, rest >> 8, rest});
}

PacketBuilder& PacketBuilder::icmpv6(std::uint8_t type, std::uint8_t code, std::uint32_t rest) {
    return add(Kind::kIcmpv6, {type, code, 0, 0, rest >> 24, rest >> 16, rest >> 8, rest});
}

PacketBuilder& PacketBuilder::esp(std::uint32_t spi) {
    return add(Kind::kEsp, {spi >> 24, spi >> 16, spi >> 8, spi, 0, 0, 0, 1});
}

// Tunnels

PacketBuilder& PacketBuilder::gre(const GreFields& fields) {
    const unsigned flags =
        (fields.checksum ? 0x80U : 0U) | (fields.key ? 0x20U : 0U) | (fields.sequence ? 0x10U : 0U);
    add(Kind::kGre, {flags, 0, 0, 0});
    Buffer& header = layers_.back().bytes;
    if (fields.checksum) append_be32(header, 0);
    if (fields.key) append_be32(header, *fields.key);
    if (fields.sequence) append_be32(header, *fields.sequence);
    return *this;
}

PacketBuilder& PacketBuilder::pptp(std::uint16_t call_id, bool address_and_control) {
    add(Kind::kPptp, {0x30, 0x01, 0x88, 0x0b, 0, 0, unsigned{call_id} >> 8, call_id, 0, 0, 0, 1});
    if (address_and_control) append_be16(layers_.back().bytes, 0xff03);
    append_be16(layers_.back().bytes, 0);
    return *this;
}

PacketBuilder& PacketBuilder::erspan1() {
    return add(Kind::kErspan1, {});
}

PacketBuilder& PacketBuilder::erspan2(std::uint16_t session) {
    return add(Kind::kErspan2, {0x10, 0, (session >> 8) & 0x03U, session, 0, 0, 0, 0});
}

PacketBuilder& PacketBuilder::erspan3(std::uint16_t session, bool subheader) {
    add(Kind::kErspan3, {0x20, 0, (session >> 8) & 0x03U, session, 0, 0, 0, 0, 0, 0, 0, subheader ? 1U : 0U});
    if (subheader) layers_.back().bytes.resize(20);
    return *this;
}

PacketBuilder& PacketBuilder::vxlan(std::uint32_t vni) {
    return add(Kind::kVxlan, {0x08, 0, 0, 0, vni >> 16, vni >> 8, vni, 0});
}

PacketBuilder& PacketBuilder::geneve(std::uint32_t vni, std::size_t options_size) {
    const unsigned words = static_cast<unsigned>(options_size / 4);
    add(Kind::kGeneve, {words, 0, 0, 0, vni >> 16, vni >> 8, vni, 0});
    layers_.back().bytes.resize(8 + std::size_t{words} * 4);
    return *this;
}

PacketBuilder& PacketBuilder::gtp_u(std::uint32_t teid, std::initializer_list<GtpExtension> extensions) {
    const bool extended = extensions.size() != 0;
    add(Kind::kGtpU, {extended ? 0x34U : 0x30U, 255, 0, 0, teid >> 24, teid >> 16, teid >> 8, teid});
    if (!extended) return *this;
    Buffer& header = layers_.back().bytes;
    append_be32(header, 0);
    for (const GtpExtension& extension : extensions) {
        header.back() = extension.type;
        header.push_back(extension.words);
        header.resize(header.size() + std::size_t{extension.words} * 4 - 1);
    }
    return *this;
}

// The rest

PacketBuilder& PacketBuilder::payload(std::string_view bytes) {
    return payload(base::Bytes(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()));
}

PacketBuilder& PacketBuilder::payload(base::Bytes bytes) {
    add(Kind::kPayload, {});
    append(layers_.back().bytes, bytes);
    return *this;
}

PacketBuilder& PacketBuilder::next(std::uint16_t number) {
    layers_.back().next = number;
    return *this;
}

PacketBuilder& PacketBuilder::pad_to(std::size_t frame_size) {
    padded_size_ = frame_size;
    return *this;
}

}  // namespace yagura::net
