// SPDX-License-Identifier: BSD-3-Clause
// ICMP errors (RFC 792, RFC 1812, RFC 4443) with our mark in an extension object (RFC 4884), whose class is
// one for private use: the quote, padded to 128 bytes, then the extension header, then the object.
#include <algorithm>
#include <cstring>

#include "net/checksum.h"
#include "net/cursor.h"
#include "net/protocol_numbers.h"
#include "reset/ip_packet.h"
#include "reset/reset_builder.h"

namespace yagura::reset {
namespace {

constexpr std::size_t kIcmpHeader = 8;
constexpr std::size_t kExtension = 16;  ///< header, object header, mark
constexpr std::size_t kMessage = kIcmpHeader + ResetBuilder::kQuote + kExtension;
constexpr std::size_t kMarkAt = kMessage - 8;
constexpr std::uint8_t kExtensionVersion = 0x20;
constexpr std::uint8_t kPrivateClass = 0xf7;

struct IcmpKind {
    std::uint8_t proto;
    std::uint8_t type;
    std::uint8_t port;
    std::uint8_t prohibited;
    std::uint8_t length_at;  ///< of the field that says how long the quote is
    std::uint8_t length;     ///< in words of four bytes, of eight for IPv6
};

constexpr IcmpKind icmp_kind(std::uint8_t ip_version) {
    constexpr std::uint8_t kQuote = ResetBuilder::kQuote;
    if (ip_version == 4) return {net::ip_proto::kIcmp, 3, 3, 13, 5, kQuote / 4};
    return {net::ip_proto::kIcmpv6, 1, 4, 1, 4, kQuote / 8};
}

/// One host, as a source of packets or their receiver.
bool is_host(const net::IpAddress& address, std::uint8_t ip_version) {
    if (ip_version == 4) return address[0] != 0 && address[0] != 127 && address[0] < 224;
    const bool is_unspecified_or_loopback =
        std::all_of(address.begin(), address.end() - 1, [](std::uint8_t byte) { return byte == 0; }) &&
        address[15] <= 1;
    return address[0] != 0xff && !is_unspecified_or_loopback;
}

/// Ethernet's group addresses have this bit, and no sender has one.
bool is_group(std::uint8_t first_byte) {
    return (first_byte & 1) != 0;
}

/// ICMP is answered with errors only if it is a question, and nothing is that went to many.
bool may_be_answered(const Encapsulation& back, const net::ParsedPacket& parsed, std::uint8_t icmp_type) {
    constexpr std::size_t kSourceMac = 6;
    if (back.size() > kSourceMac && is_group(back.bytes()[kSourceMac])) return false;
    if (!is_host(parsed.key.src, parsed.key.ip_version) || !is_host(parsed.key.dst, parsed.key.ip_version)) {
        return false;
    }
    if (parsed.key.proto == net::ip_proto::kIcmp && parsed.key.ip_version == 4) {
        constexpr std::uint8_t kEcho = 8;
        constexpr std::uint8_t kTimestamp = 13;
        return icmp_type == kEcho || icmp_type == kTimestamp;
    }
    if (parsed.key.proto == net::ip_proto::kIcmpv6) {
        constexpr std::uint8_t kEcho = 128;
        return icmp_type == kEcho;
    }
    return true;
}

/// Of the addresses and all of the message in front of it; the checksum, which comes last, counts as 0.
std::uint64_t mark_of(const MarkKey& secret, const net::FlowKey& key, const std::uint8_t* message) {
    std::array<std::uint8_t, 32 + kMarkAt> told;
    std::memcpy(&told[0], key.src.data(), 16);
    std::memcpy(&told[16], key.dst.data(), 16);
    std::memcpy(&told[32], message, kMarkAt);
    std::memset(&told[32 + 2], 0, 2);                                       // the message's checksum,
    std::memset(&told[32 + kIcmpHeader + ResetBuilder::kQuote + 2], 0, 2);  // the extension's
    return sip_hash(secret, told);
}

}  // namespace

Crafted ResetBuilder::unreachable(const Encapsulation& back, base::Bytes frame,
                                  const net::ParsedPacket& parsed, Unreachable why, HopFields hop,
                                  std::span<std::uint8_t> out) const {
    if (!parsed.has_flow() || parsed.inner_ip >= frame.size()) return {.refusal = Refusal::kNoFlow};
    if (parsed.is_fragment && !parsed.first_fragment) return {.refusal = Refusal::kFragment};
    const bool has_type = parsed.transport != net::kNoOffset && parsed.transport < frame.size();
    if (!may_be_answered(back, parsed, has_type ? frame[parsed.transport] : std::uint8_t{0})) {
        return {.refusal = Refusal::kNotAllowed};
    }
    const net::FlowKey key = parsed.key.reversed();
    const std::size_t ip_size = ip_header_size(key.ip_version);
    const std::size_t size = back.size() + ip_size + kMessage;
    if (out.size() < size) return {.refusal = Refusal::kNoRoom};

    const IcmpKind kind = icmp_kind(key.ip_version);
    std::uint8_t* const message = &out[back.size() + ip_size];
    std::memset(message, 0, kMessage);
    message[0] = kind.type;
    message[1] = why == Unreachable::kPort ? kind.port : kind.prohibited;
    message[kind.length_at] = kind.length;

    // What was captured of the packet, without what pads the frame.
    std::size_t end = frame.size();
    if (parsed.payload != net::kNoOffset)
        end = std::min(end, parsed.payload + std::size_t{parsed.payload_size});
    const std::size_t quoted = std::min(kQuote, end - std::min<std::size_t>(end, parsed.inner_ip));
    std::memcpy(message + kIcmpHeader, frame.data() + parsed.inner_ip, quoted);

    std::uint8_t* const extension = message + kIcmpHeader + kQuote;
    extension[0] = kExtensionVersion;
    base::store_be16(extension + 4, kExtension - 4);
    extension[6] = kPrivateClass;
    extension[7] = 1;
    base::store_u64(message + kMarkAt, mark_of(secret_, key, message));
    base::store_be16(extension + 2, net::internet_checksum({extension, kExtension}));

    const std::uint32_t pseudo =
        key.ip_version == 4 ? 0
                            : net::pseudo_header_sum(key.src, key.dst, key.ip_version, kind.proto, kMessage);
    base::store_be16(message + 2, net::finish_sum(net::add_to_sum(pseudo, {message, kMessage})));

    const std::uint16_t ip_id = base::load_be16(message + kMarkAt);
    write_ip_header(message - ip_size, key, kind.proto, hop, ip_id, kMessage);
    back.finish(out.first(size), ip_id);
    return {.size = static_cast<std::uint32_t>(size)};
}

bool ResetBuilder::is_own_unreachable(base::Bytes frame, const net::ParsedPacket& parsed) const {
    const IcmpKind kind = icmp_kind(parsed.key.ip_version);
    if (parsed.key.proto != kind.proto || parsed.payload != parsed.transport + kIcmpHeader ||
        parsed.payload_size != kMessage - kIcmpHeader) {
        return false;
    }
    net::Cursor cursor(frame, frame.size());
    if (!cursor.advance(parsed.transport)) return false;
    const auto message = cursor.header<kMessage>();
    if (!message || message.u8<0>() != kind.type) return false;
    constexpr std::size_t kExtensionAt = kIcmpHeader + kQuote;
    if (message.u8<kExtensionAt + 6>() != kPrivateClass) return false;
    return base::load_u64(message.bytes<kMarkAt, 8>()) ==
           mark_of(secret_, parsed.key, message.bytes<0, kMarkAt>());
}

}  // namespace yagura::reset
