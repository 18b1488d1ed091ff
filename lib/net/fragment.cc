// SPDX-License-Identifier: BSD-3-Clause
#include "net/fragment.h"

#include <algorithm>

#include "net/cursor.h"
#include "net/protocol_numbers.h"

namespace yagura::net {
namespace {

constexpr unsigned kMostExtensions = 16;  // as the parser

bool is_extension(std::uint8_t ip_version, std::uint8_t proto) {
    if (ip_version == 4) return proto == ip_proto::kAh;
    switch (proto) {
        case ip_proto::kHopByHop:
        case ip_proto::kRouting:
        case ip_proto::kDestinationOptions:
        case ip_proto::kMobility:
        case ip_proto::kHip:
        case ip_proto::kShim6:
        case ip_proto::kAh:
            return true;
        default:
            return false;
    }
}

/// Authentication headers count in words of four bytes (RFC 4302).
std::size_t extension_size(std::uint8_t proto, Header<8> h) {
    return 8 + std::size_t{h.u8<1>()} * (proto == ip_proto::kAh ? 4 : 8);
}

/// The rest of the packet, of which the header says that it is `claimed` bytes.
void set_data(FragmentPart& part, base::Bytes frame, std::size_t begin, std::size_t claimed,
              std::size_t end) {
    const std::size_t captured = end > begin ? std::min(end - begin, claimed) : 0;
    part.data = frame.subspan(begin, captured);
    part.size = static_cast<std::uint32_t>(claimed);
}

std::optional<FragmentPart> read_ipv4(base::Bytes frame, std::size_t at, std::size_t end) {
    Cursor cursor(frame, frame.size());
    if (!cursor.advance(at)) return {};
    const auto h = cursor.header<20>();
    if (!h) return {};
    const std::size_t header_length = std::size_t{h.u8<0>() & 0x0fU} << 2;
    const std::size_t total_length = h.be16<2>() != 0 ? h.be16<2>() : end - at;
    if (header_length < 20 || total_length < header_length || !cursor.advance(header_length)) return {};
    const unsigned fragment = h.be16<6>();
    FragmentPart part{.id = h.be16<4>(),
                      .offset = (fragment & 0x1fffU) << 3,
                      .more = (fragment & 0x2000U) != 0,
                      .proto = h.u8<9>()};
    set_data(part, frame, cursor.position(), total_length - header_length, end);
    return part;
}

std::optional<FragmentPart> read_ipv6(base::Bytes frame, std::size_t at, std::size_t end) {
    Cursor cursor(frame, frame.size());
    if (!cursor.advance(at)) return {};
    const auto ip = cursor.header<40>();
    if (!ip || !cursor.advance(40)) return {};
    const std::size_t packet_end = ip.be16<4>() != 0 ? at + 40 + ip.be16<4>() : end;
    std::uint8_t proto = ip.u8<6>();
    for (unsigned count = 0; count < kMostExtensions; ++count) {
        const auto h = cursor.header<8>();
        if (!h) return {};
        if (proto == ip_proto::kFragment) {
            const unsigned fragment = h.be16<2>();
            if (!cursor.advance(8) || cursor.position() > packet_end) return {};
            if ((fragment & 0xfff9U) != 0) {
                FragmentPart part{.id = h.be32<4>(),
                                  .offset = fragment & 0xfff8U,
                                  .more = (fragment & 1U) != 0,
                                  .proto = h.u8<0>()};
                set_data(part, frame, cursor.position(), packet_end - cursor.position(), end);
                return part;
            }
        } else {
            if (!is_extension(6, proto) || !cursor.advance(extension_size(proto, h))) return {};
        }
        proto = h.u8<0>();
    }
    return {};
}

/// Behind a transport header of `size` bytes.
void set_payload(TransportPart& part, base::Bytes bytes, std::size_t size) {
    part.sound = size <= bytes.size();
    if (part.sound) part.payload = bytes.subspan(size);
}

}  // namespace

std::optional<FragmentPart> read_fragment(base::Bytes frame, const ParsedPacket& parsed) {
    if (!parsed.is_fragment || parsed.inner_ip >= frame.size()) return {};
    // An outer packet may end before its frame does.
    std::size_t end = frame.size();
    if (parsed.payload != kNoOffset) end = std::min(end, std::size_t{parsed.payload} + parsed.payload_size);
    return frame[parsed.inner_ip] >> 4 == 4 ? read_ipv4(frame, parsed.inner_ip, end)
                                            : read_ipv6(frame, parsed.inner_ip, end);
}

TransportPart read_transport(std::uint8_t ip_version, std::uint8_t proto, base::Bytes ip_payload) {
    base::Bytes bytes = ip_payload;
    for (unsigned count = 0; is_extension(ip_version, proto); ++count) {
        const auto h = Cursor(bytes, bytes.size()).header<8>();
        if (!h || extension_size(proto, h) > bytes.size() || count == kMostExtensions)
            return {.proto = proto};
        bytes = bytes.subspan(extension_size(proto, h));
        proto = h.u8<0>();
    }

    TransportPart part{.proto = proto};
    const Cursor cursor(bytes, bytes.size());
    switch (proto) {
        case ip_proto::kTcp: {
            const auto h = cursor.header<20>();
            if (!h) break;
            part.tcp_seq = h.be32<4>();
            part.tcp_ack = h.be32<8>();
            part.tcp_flags = h.u8<13>();
            const std::size_t size = std::size_t{h.u8<12>()} >> 4 << 2;
            if (size >= 20) set_payload(part, bytes, size);
            break;
        }
        case ip_proto::kUdp: {
            const auto h = cursor.header<8>();
            if (!h || h.be16<4>() < 8 || h.be16<4>() > bytes.size()) break;
            set_payload(part, bytes.first(h.be16<4>()), 8);
            break;
        }
        case ip_proto::kUdpLite:
            set_payload(part, bytes, 8);
            break;
        case ip_proto::kSctp:
            set_payload(part, bytes, 12);
            break;
        case ip_proto::kDccp: {
            const auto h = cursor.header<12>();
            if (!h) break;
            const bool long_sequence = (h.u8<8>() & 1) != 0;
            const std::size_t size = std::size_t{h.u8<4>()} << 2;
            if (size >= (long_sequence ? 16 : 12)) set_payload(part, bytes, size);
            break;
        }
        case ip_proto::kIcmp:
        case ip_proto::kIcmpv6:
            set_payload(part, bytes, std::clamp<std::size_t>(bytes.size(), 4, 8));
            break;
        default:
            set_payload(part, bytes, 0);
    }
    return part;
}

}  // namespace yagura::net
