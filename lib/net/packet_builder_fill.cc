// SPDX-License-Identifier: BSD-3-Clause
// PacketBuilder::build(): the headers are laid one behind the other, then into each is written what follows
// from those inside it. Checksums come last and from the inside out, since each covers what is inside.
#include <algorithm>

#include "net/checksum.h"
#include "net/packet_builder.h"
#include "net/protocol_numbers.h"

namespace yagura::net {

/// The EtherType under which a header around it names this one.
std::optional<std::uint16_t> PacketBuilder::ethertype_of(const Layer& layer) {
    switch (layer.kind) {
        case Kind::kEthernet:
            return ethertype::kTransparentEthernet;
        case Kind::kVlan:
            return layer.type;
        case Kind::kVnTag:
            return ethertype::kVnTag;
        case Kind::kMpls:
            return ethertype::kMpls;
        case Kind::kPppoe:
            return ethertype::kPppoeSession;
        case Kind::kArp:
            return ethertype::kArp;
        case Kind::kIpv4:
            return ethertype::kIpv4;
        case Kind::kIpv6:
            return ethertype::kIpv6;
        case Kind::kErspan1:
        case Kind::kErspan2:
            return ethertype::kErspan;
        case Kind::kErspan3:
            return ethertype::kErspan3;
        default:
            return std::nullopt;
    }
}

/// Its IP protocol number.
std::optional<std::uint8_t> PacketBuilder::protocol_of(const Layer& layer) {
    switch (layer.kind) {
        case Kind::kIpv4:
            return ip_proto::kIpv4;
        case Kind::kIpv6:
            return ip_proto::kIpv6;
        case Kind::kIpExtension:
            return static_cast<std::uint8_t>(layer.type);
        case Kind::kTcp:
            return ip_proto::kTcp;
        case Kind::kUdp:
            return ip_proto::kUdp;
        case Kind::kUdpLite:
            return ip_proto::kUdpLite;
        case Kind::kSctp:
            return ip_proto::kSctp;
        case Kind::kDccp:
            return ip_proto::kDccp;
        case Kind::kIcmp:
            return ip_proto::kIcmp;
        case Kind::kIcmpv6:
            return ip_proto::kIcmpv6;
        case Kind::kEsp:
            return ip_proto::kEsp;
        case Kind::kGre:
        case Kind::kPptp:
            return ip_proto::kGre;
        default:
            return std::nullopt;
    }
}

void PacketBuilder::fill_next(const Layer& layer, const Layer* inner, std::uint8_t* header,
                              std::size_t size) {
    constexpr std::uint16_t kExperimentalEthertype = 0x88b5;  // IEEE 802, for local experiments
    constexpr std::uint8_t kExperimentalProtocol = 253;       // RFC 3692
    const auto put_ethertype = [&](std::size_t at) {
        const auto type = inner != nullptr ? ethertype_of(*inner) : std::nullopt;
        base::store_be16(header + at, layer.next ? *layer.next : type.value_or(kExperimentalEthertype));
    };
    const auto put_protocol = [&](std::size_t at) {
        const auto protocol = inner != nullptr ? protocol_of(*inner) : std::nullopt;
        header[at] =
            layer.next ? static_cast<std::uint8_t>(*layer.next) : protocol.value_or(kExperimentalProtocol);
    };
    const auto put_ppp = [&](std::size_t at) {
        const bool is_ipv6 = inner != nullptr && inner->kind == Kind::kIpv6;
        base::store_be16(header + at, layer.next.value_or(is_ipv6 ? ppp_proto::kIpv6 : ppp_proto::kIpv4));
    };
    switch (layer.kind) {
        case Kind::kEthernet:
            if (inner != nullptr && inner->kind == Kind::kLlcSnap) {
                base::store_be16(header + 12, static_cast<std::uint16_t>(size - 14));
            } else {
                put_ethertype(12);
            }
            break;
        case Kind::kLlcSnap:
            put_ethertype(6);
            break;
        case Kind::kVnTag:
            put_ethertype(4);
            break;
        case Kind::kVlan:
        case Kind::kGre:
        case Kind::kGeneve:
            put_ethertype(2);
            break;
        case Kind::kLinuxCooked:
            put_ethertype(14);
            break;
        case Kind::kLinuxCooked2:
            put_ethertype(0);
            break;
        case Kind::kMpls:
            if (inner == nullptr || inner->kind != Kind::kMpls) header[2] |= 1;
            break;
        case Kind::kPppoe:
            put_ppp(6);
            break;
        case Kind::kPptp:
            put_ppp(layer.bytes.size() - 2);
            break;
        case Kind::kIpv4:
            put_protocol(9);
            break;
        case Kind::kIpv6:
            put_protocol(6);
            break;
        case Kind::kIpExtension:
            put_protocol(0);
            break;
        default:
            break;
    }
}

/// `size` counts from the header's first byte to the packet's last.
void PacketBuilder::fill_length(const Layer& layer, std::uint8_t* header, std::size_t size) {
    const auto put = [header](std::size_t at, std::size_t value) {
        base::store_be16(header + at, static_cast<std::uint16_t>(value));
    };
    switch (layer.kind) {
        case Kind::kIpv4:
            put(2, size);
            break;
        case Kind::kIpv6:
            put(4, size - 40);
            break;
        case Kind::kUdp:
            put(4, size);
            break;
        case Kind::kPppoe:
            put(4, size - 6);
            break;
        case Kind::kPptp:
            put(4, size - 12);
            break;
        case Kind::kGtpU:
            put(2, size - 8);
            break;
        default:
            break;
    }
}

/// `ip` is the innermost IP header around it, or nullptr.
void PacketBuilder::fill_checksum(const Layer& layer, std::uint8_t* header, std::size_t size,
                                  const Layer* ip) {
    const base::Bytes covered(header, size);
    const auto put = [&](std::size_t at, std::uint16_t value) { base::store_be16(header + at, value); };
    const auto with_pseudo_header = [&]() -> std::uint16_t {
        if (ip == nullptr) return 0;
        const std::uint8_t version = ip->kind == Kind::kIpv4 ? 4 : 6;
        const std::size_t address_size = version == 4 ? 4 : 16;
        const auto addresses = ip->bytes.begin() + (version == 4 ? 12 : 8);
        IpAddress src{};
        IpAddress dst{};
        std::copy_n(addresses, address_size, src.begin());
        std::copy_n(addresses + static_cast<std::ptrdiff_t>(address_size), address_size, dst.begin());
        const std::uint32_t sum =
            pseudo_header_sum(src, dst, version, *protocol_of(layer), static_cast<std::uint32_t>(size));
        return finish_sum(add_to_sum(sum, covered));
    };
    const auto never_zero = [](std::uint16_t sum) { return sum != 0 ? sum : std::uint16_t{0xffff}; };
    switch (layer.kind) {
        case Kind::kIpv4:
            put(10, internet_checksum(covered.first(layer.bytes.size())));
            break;
        case Kind::kTcp:
            put(16, with_pseudo_header());
            break;
        case Kind::kUdp:
        case Kind::kUdpLite:
            put(6, never_zero(with_pseudo_header()));
            break;
        case Kind::kIcmp:
            put(2, internet_checksum(covered));
            break;
        case Kind::kIcmpv6:
            put(2, with_pseudo_header());
            break;
        case Kind::kSctp: {
            const std::uint32_t crc = crc32c(covered);
            for (unsigned byte = 0; byte < 4; ++byte) {
                header[8 + byte] = static_cast<std::uint8_t>(crc >> (8 * byte));
            }
            break;
        }
        default:
            break;
    }
}

std::vector<std::uint8_t> PacketBuilder::build() const {
    std::vector<std::uint8_t> packet;
    std::vector<std::size_t> offsets;
    for (const Layer& layer : layers_) {
        offsets.push_back(packet.size());
        packet.insert(packet.end(), layer.bytes.begin(), layer.bytes.end());
    }
    const std::size_t end = packet.size();
    for (std::size_t i = 0; i < layers_.size(); ++i) {
        const Layer* const inner = i + 1 < layers_.size() ? &layers_[i + 1] : nullptr;
        std::uint8_t* const header = packet.data() + offsets[i];
        fill_next(layers_[i], inner, header, end - offsets[i]);
        fill_length(layers_[i], header, end - offsets[i]);
    }
    for (std::size_t i = layers_.size(); i-- > 0;) {
        const Layer* ip = nullptr;
        for (std::size_t j = 0; j < i; ++j) {
            if (layers_[j].kind == Kind::kIpv4 || layers_[j].kind == Kind::kIpv6) ip = &layers_[j];
        }
        fill_checksum(layers_[i], packet.data() + offsets[i], end - offsets[i], ip);
    }
    if (packet.size() < padded_size_) packet.resize(padded_size_);
    return packet;
}

}  // namespace yagura::net
