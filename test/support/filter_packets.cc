// SPDX-License-Identifier: BSD-3-Clause
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <new>

#include "base/bytes.h"
#include "support/filter_generator.h"

namespace yagura::test {
namespace {

constexpr net::IpAddress kIpv4[] = {
    {10, 0, 0, 1}, {10, 0, 0, 2}, {10, 0, 1, 1}, {192, 168, 1, 1}, {224, 0, 0, 5}};
constexpr net::IpAddress kIpv6[] = {{0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1},
                                    {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2},
                                    {0x20, 0x01, 0x0d, 0xb8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1},
                                    {0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};
constexpr std::uint16_t kPacketPorts[] = {0, 53, 80, 81, 443, 1000, 1500, 2000, 65535};
constexpr std::uint16_t kEthertypes[] = {0x0800, 0x86dd, 0x0806, 0x8847, 0x88cc, 64};
constexpr std::uint8_t kProtocols[] = {6, 17, 6, 17, 132, 1, 58, 2, 50, 0, 47, 255};

Frame random_payload(Choices& choices) {
    Frame payload(choices.one_in(8) ? choices.below(1400) : choices.below(40));
    for (std::uint8_t& byte : payload) byte = static_cast<std::uint8_t>(choices.word());
    return payload;
}

IpSpec random_spec(const net::FlowKey& key, Choices& choices) {
    IpSpec spec;
    spec.key = key;
    spec.option_words = choices.one_in(4) ? choices.below(11) : 0;
    spec.id = static_cast<std::uint16_t>(choices.word());
    spec.ttl = static_cast<std::uint8_t>(choices.word());
    spec.tcp_flags = static_cast<std::uint8_t>(choices.word());
    spec.icmp_type = static_cast<std::uint8_t>(choices.below(20));
    spec.payload = random_payload(choices);
    return spec;
}

void append16(Frame& frame, std::uint16_t value) {
    frame.push_back(static_cast<std::uint8_t>(value >> 8));
    frame.push_back(static_cast<std::uint8_t>(value));
}

Frame transport(const IpSpec& spec) {
    const std::uint8_t proto = spec.key.proto;
    Frame bytes;
    if (proto == 6 || proto == 17 || proto == 132) {
        append16(bytes, spec.key.sport);
        append16(bytes, spec.key.dport);
    }
    if (proto == 6) {
        bytes.resize(20);
        bytes[12] = 0x50;
        bytes[13] = spec.tcp_flags;
    } else if (proto == 17) {
        append16(bytes, static_cast<std::uint16_t>(8 + spec.payload.size()));
        append16(bytes, 0);
    } else if (proto == 132) {
        bytes.resize(12);
    } else if (proto == 1 || proto == 58) {
        bytes = {spec.icmp_type, 0, 0, 0, 0, 0, 0, 0};
    }
    bytes.insert(bytes.end(), spec.payload.begin(), spec.payload.end());
    return bytes;
}

}  // namespace

Frame ip_packet(const IpSpec& spec) {
    const Frame body = transport(spec);
    Frame packet;
    const auto fragment = static_cast<std::uint16_t>(spec.fragment_offset);
    if (spec.key.ip_version == 4) {
        packet.resize(20 + 4 * spec.option_words, 1);
        packet[0] = static_cast<std::uint8_t>(0x45 + spec.option_words);
        packet[1] = 0;
        base::store_be16(&packet[2], static_cast<std::uint16_t>(packet.size() + body.size()));
        base::store_be16(&packet[4], spec.id);
        base::store_be16(&packet[6],
                         static_cast<std::uint16_t>((spec.more_fragments ? 0x2000 : 0) | fragment));
        packet[8] = spec.ttl;
        packet[9] = spec.key.proto;
        packet[10] = packet[11] = 0;
        std::memcpy(&packet[12], spec.key.src.data(), 4);
        std::memcpy(&packet[16], spec.key.dst.data(), 4);
    } else {
        packet.resize(spec.fragment_header ? 48 : 40);
        packet[0] = 0x60;
        base::store_be16(&packet[4], static_cast<std::uint16_t>(packet.size() - 40 + body.size()));
        packet[6] = spec.fragment_header ? 44 : spec.key.proto;
        packet[7] = spec.ttl;
        std::memcpy(&packet[8], spec.key.src.data(), 16);
        std::memcpy(&packet[24], spec.key.dst.data(), 16);
        if (spec.fragment_header) {
            packet[40] = spec.key.proto;
            base::store_be16(&packet[42],
                             static_cast<std::uint16_t>(fragment << 3 | (spec.more_fragments ? 1 : 0)));
            base::store_be16(&packet[46], spec.id);
        }
    }
    // A later fragment carries no transport header.
    const Frame& rest = spec.fragment_offset == 0 ? body : spec.payload;
    packet.insert(packet.end(), rest.begin(), rest.end());
    return packet;
}

Frame ethernet(const Frame& payload, std::uint16_t ethertype, std::span<const std::uint16_t> vlans) {
    Frame frame = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2};
    for (const std::uint16_t vlan : vlans) {
        append16(frame, 0x8100);
        append16(frame, vlan);
    }
    append16(frame, ethertype);
    frame.insert(frame.end(), payload.begin(), payload.end());
    return frame;
}

Frame arp_packet(const net::IpAddress& sender, const net::IpAddress& target) {
    Frame arp = {0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    std::memcpy(&arp[14], sender.data(), 4);
    std::memcpy(&arp[24], target.data(), 4);
    return arp;
}

Frame link_frame(net::LinkType link_type, const Frame& payload, std::uint16_t ethertype) {
    Frame frame;
    const std::uint8_t family = ethertype == 0x0800 ? 2 : ethertype == 0x86dd ? 30 : 7;
    switch (link_type) {
        case net::LinkType::kEthernet:
            return ethernet(payload, ethertype);
        case net::LinkType::kLinuxSll:
            frame = {0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0};
            append16(frame, ethertype);
            break;
        case net::LinkType::kLinuxSll2:
            append16(frame, ethertype);
            frame.resize(20);
            break;
        case net::LinkType::kNull:
            frame = {family, 0, 0, 0};
            break;
        case net::LinkType::kLoop:
            frame = {0, 0, 0, family};
            break;
        case net::LinkType::kRaw:
        case net::LinkType::kIpv4:
        case net::LinkType::kIpv6:
            break;
    }
    frame.insert(frame.end(), payload.begin(), payload.end());
    return frame;
}

net::FlowKey random_key(Choices& choices) {
    net::FlowKey key;
    key.ip_version = choices.one_in(3) ? 6 : 4;
    if (key.ip_version == 4) {
        key.src = choices.any_of(kIpv4);
        key.dst = choices.any_of(kIpv4);
    } else {
        key.src = choices.any_of(kIpv6);
        key.dst = choices.any_of(kIpv6);
    }
    key.proto = choices.any_of(kProtocols);
    if (key.proto == 6 || key.proto == 17 || key.proto == 132) {
        key.sport = choices.any_of(kPacketPorts);
        key.dport = choices.any_of(kPacketPorts);
    }
    return key;
}

Frame packet_of_flow(const net::FlowKey& key, Choices& choices) {
    Frame packet = ip_packet(random_spec(key, choices));
    const std::size_t shortest = key.ip_version == 4 ? 4u * (packet[0] & 15u) : 40u;
    const bool has_ports = key.proto == 6 || key.proto == 17 || key.proto == 132;
    if (choices.one_in(4)) {
        // Cut, but not into the ports.
        const std::size_t least = shortest + (has_ports ? 4 : 0);
        packet.resize(std::min(packet.size(), least + choices.below(20)));
    }
    // What is not in the key: type of service or flow label, flags of IPv4.
    packet[1] = static_cast<std::uint8_t>(choices.word());
    if (key.ip_version == 4) {
        packet[6] = static_cast<std::uint8_t>(choices.any_of({0x00, 0x40, 0x80}));
    } else {
        packet[0] = static_cast<std::uint8_t>(0x60 | choices.below(16));
    }
    return packet;
}

Frame random_ip_packet(Choices& choices) {
    IpSpec spec = random_spec(random_key(choices), choices);
    if (choices.one_in(5)) {
        spec.fragment_header = true;
        spec.more_fragments = choices.one_in(2);
        spec.fragment_offset = choices.one_in(2) ? static_cast<std::uint16_t>(choices.below(0x2000)) : 0;
    }
    Frame packet = ip_packet(spec);
    if (choices.one_in(5)) packet.resize(choices.below(static_cast<std::uint32_t>(packet.size()) + 1));
    if (!packet.empty() && choices.one_in(8)) {
        packet[choices.below(std::min<std::uint32_t>(static_cast<std::uint32_t>(packet.size()), 48))] =
            static_cast<std::uint8_t>(choices.word());
    }
    return packet;
}

Frame random_frame(net::LinkType link_type, Choices& choices) {
    Frame payload;
    std::uint16_t ethertype = 0;
    if (choices.one_in(3)) {
        payload = arp_packet(choices.any_of(kIpv4), choices.any_of(kIpv4));
        ethertype = choices.one_in(4) ? 0x8035 : 0x0806;
    } else {
        payload = random_ip_packet(choices);
        ethertype = !payload.empty() && payload[0] >> 4 == 6 ? 0x86dd : 0x0800;
    }
    if (choices.one_in(10)) ethertype = choices.any_of(kEthertypes);
    Frame frame;
    if (link_type == net::LinkType::kEthernet && choices.one_in(6)) {
        const std::uint16_t vlans[] = {5, 7};
        frame = ethernet(payload, ethertype, std::span(vlans).first(1 + choices.below(2)));
    } else {
        frame = link_frame(link_type, payload, ethertype);
    }
    if (choices.one_in(6)) frame.resize(choices.below(static_cast<std::uint32_t>(frame.size()) + 1));
    return frame;
}

GuardedBytes::GuardedBytes(std::size_t capacity) : page_(static_cast<std::size_t>(sysconf(_SC_PAGESIZE))) {
    capacity_ = (capacity + page_ - 1) / page_ * page_;
    void* start =
        mmap(nullptr, capacity_ + page_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start == MAP_FAILED) throw std::bad_alloc();
    start_ = static_cast<std::uint8_t*>(start);
    if (mprotect(start_ + capacity_, page_, PROT_NONE) != 0) throw std::bad_alloc();
}

GuardedBytes::~GuardedBytes() {
    munmap(start_, capacity_ + page_);
}

std::span<const std::uint8_t> GuardedBytes::hold(std::span<const std::uint8_t> bytes) {
    if (bytes.size() > capacity_) throw std::bad_alloc();
    std::uint8_t* const at = start_ + capacity_ - bytes.size();
    std::copy(bytes.begin(), bytes.end(), at);
    return {at, bytes.size()};
}

}  // namespace yagura::test
