// SPDX-License-Identifier: BSD-3-Clause
#include "match/header_fields.h"

#include <algorithm>
#include <cstring>

namespace yagura::match {
namespace {

constexpr std::uint16_t kEtherRarp = 0x8035;

/// Reads through a length check: a field is there whole, or not at all.
class Reader {
  public:
    explicit Reader(base::Bytes bytes) : bytes_(bytes) {}

    bool has(std::size_t at, std::size_t size) const { return at + size <= bytes_.size(); }
    std::uint8_t u8(std::size_t at) const { return bytes_[at]; }
    std::uint16_t be16(std::size_t at) const { return base::load_be16(bytes_.data() + at); }

    /// Whole words of an address, for programs compare words.
    std::uint8_t address(std::size_t at, std::size_t size, net::IpAddress& to) const {
        const std::size_t there = at < bytes_.size() ? std::min(size, bytes_.size() - at) / 4 * 4 : 0;
        if (there > 0) std::memcpy(to.data(), bytes_.data() + at, there);
        return static_cast<std::uint8_t>(there);
    }

    void ports(std::size_t at, HeaderFields& fields) const {
        fields.has_sport = has(at, 2);
        fields.has_dport = has(at + 2, 2);
        if (fields.has_sport) fields.sport = be16(at);
        if (fields.has_dport) fields.dport = be16(at + 2);
    }

  private:
    base::Bytes bytes_;
};

HeaderFields fields_of_ipv4(const Reader& read, std::size_t at) {
    HeaderFields fields;
    fields.family = Family::kIpv4;
    fields.src_size = read.address(at + 12, 4, fields.src);
    fields.dst_size = read.address(at + 16, 4, fields.dst);
    if (!read.has(at + 9, 1)) return fields;
    fields.protocol[0] = read.u8(at + 9);
    fields.protocol_count = 1;
    const bool later_fragment = (read.be16(at + 6) & 0x1fff) != 0;
    if (has_ports(fields.protocol[0]) && !later_fragment) {
        read.ports(at + 4u * (read.u8(at) & 0x0f), fields);
    }
    return fields;
}

HeaderFields fields_of_ipv6(const Reader& read, std::size_t at) {
    HeaderFields fields;
    fields.family = Family::kIpv6;
    fields.src_size = read.address(at + 8, 16, fields.src);
    fields.dst_size = read.address(at + 24, 16, fields.dst);
    if (!read.has(at + 6, 1)) return fields;
    fields.protocol[0] = read.u8(at + 6);
    fields.protocol_count = 1;
    if (fields.protocol[0] == net::ip_proto::kFragment && read.has(at + 40, 1)) {
        fields.protocol[1] = read.u8(at + 40);
        fields.protocol_count = 2;
    }
    if (has_ports(fields.protocol[0])) read.ports(at + 40, fields);
    return fields;
}

HeaderFields fields_of_arp(const Reader& read, std::size_t at) {
    HeaderFields fields;
    fields.family = Family::kArp;
    fields.src_size = read.address(at + 14, 4, fields.src);
    fields.dst_size = read.address(at + 24, 4, fields.dst);
    return fields;
}

HeaderFields fields_by_ethertype(const Reader& read, std::size_t ethertype_at, std::size_t at) {
    if (!read.has(ethertype_at, 2)) return {};
    switch (read.be16(ethertype_at)) {
        case net::ethertype::kIpv4:
            return fields_of_ipv4(read, at);
        case net::ethertype::kIpv6:
            return fields_of_ipv6(read, at);
        case net::ethertype::kArp:
        case kEtherRarp:
            return fields_of_arp(read, at);
        default:
            return {};
    }
}

/// The address family of a BSD loopback header: 2 is IPv4 on every system, IPv6 differs.
HeaderFields fields_by_address_family(const Reader& read, std::uint32_t family) {
    switch (family) {
        case 2:
            return fields_of_ipv4(read, 4);
        case 24:
        case 28:
        case 30:
            return fields_of_ipv6(read, 4);
        default:
            return {};
    }
}

}  // namespace

HeaderFields fields_of_key(const net::FlowKey& key) {
    HeaderFields fields;
    fields.src = key.src;
    fields.dst = key.dst;
    fields.family = key.ip_version == 4 ? Family::kIpv4 : Family::kIpv6;
    fields.src_size = fields.dst_size = key.ip_version == 4 ? 4 : 16;
    fields.protocol[0] = key.proto;
    fields.protocol_count = 1;
    if (has_ports(key.proto)) {
        fields.sport = key.sport;
        fields.dport = key.dport;
        fields.has_sport = fields.has_dport = true;
    }
    return fields;
}

HeaderFields fields_of_ip(base::Bytes packet) {
    if (packet.empty()) return {};
    const Reader read(packet);
    switch (packet[0] >> 4) {
        case 4:
            return fields_of_ipv4(read, 0);
        case 6:
            return fields_of_ipv6(read, 0);
        default:
            return {};
    }
}

HeaderFields fields_of_frame(base::Bytes frame, net::LinkType link_type) {
    const Reader read(frame);
    switch (link_type) {
        case net::LinkType::kEthernet:
            return fields_by_ethertype(read, 12, 14);
        case net::LinkType::kLinuxSll:
            return fields_by_ethertype(read, 14, 16);
        case net::LinkType::kLinuxSll2:
            return fields_by_ethertype(read, 0, 20);
        case net::LinkType::kNull:
            return read.has(0, 4)
                       ? fields_by_address_family(read, __builtin_bswap32(base::load_be32(frame.data())))
                       : HeaderFields{};
        case net::LinkType::kLoop:
            return read.has(0, 4) ? fields_by_address_family(read, base::load_be32(frame.data()))
                                  : HeaderFields{};
        case net::LinkType::kRaw:
            return fields_of_ip(frame);
        case net::LinkType::kIpv4:
            return fields_of_ipv4(read, 0);
        case net::LinkType::kIpv6:
            return fields_of_ipv6(read, 0);
    }
    return {};
}

SyntheticHeader synthetic_header(const net::FlowKey& key) {
    SyntheticHeader header;
    std::uint8_t* const bytes = header.bytes.data();
    if (key.ip_version == 4) {
        header.size = 28;
        bytes[0] = 0x45;
        bytes[3] = header.size;
        bytes[8] = 64;
        bytes[9] = key.proto;
        std::memcpy(bytes + 12, key.src.data(), 4);
        std::memcpy(bytes + 16, key.dst.data(), 4);
    } else {
        header.size = 48;
        bytes[0] = 0x60;
        bytes[5] = 8;
        bytes[6] = key.proto;
        bytes[7] = 64;
        std::memcpy(bytes + 8, key.src.data(), 16);
        std::memcpy(bytes + 24, key.dst.data(), 16);
    }
    base::store_be16(bytes + header.size - 8, key.sport);
    base::store_be16(bytes + header.size - 6, key.dport);
    return header;
}

}  // namespace yagura::match
