// SPDX-License-Identifier: BSD-3-Clause
// Whatever the bytes, parse() reads none outside the frame, and what it reports holds together.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "base/bytes.h"
#include "net/layer_walker.h"
#include "net/parser.h"

using namespace yagura::net;
using yagura::base::Bytes;

namespace {

constexpr LinkType kLinks[] = {LinkType::kEthernet, LinkType::kNull, LinkType::kRaw,  LinkType::kLoop,
                               LinkType::kLinuxSll, LinkType::kIpv4, LinkType::kIpv6, LinkType::kLinuxSll2};

void expect(bool holds) {
    if (!holds) std::abort();
}

void check_offsets(const ParsedPacket& found, std::size_t size) {
    for (const std::uint16_t offset : {found.outer_ip, found.inner_ip, found.transport}) {
        expect(offset == kNoOffset || offset < size);
    }
    if (found.payload == kNoOffset) {
        expect(found.payload_size == 0);
    } else {
        expect(found.payload + std::size_t{found.payload_size} <= size);
        expect(found.payload > found.inner_ip);
    }
    expect((found.outer_ip == kNoOffset) == (found.inner_ip == kNoOffset));
    expect(found.inner_ip >= found.outer_ip);
    expect((found.inner_ip > found.outer_ip) == (found.tunnel_depth > 0));
    if (found.transport != kNoOffset) expect(found.transport > found.inner_ip);
}

void check_flow(const ParsedPacket& found, const std::uint8_t* frame) {
    expect(found.key.domain == decltype(found.key.domain){});
    if (!found.has_flow()) {
        expect(found.key == FlowKey{});
        expect(!found.key_is_exact);
        return;
    }
    expect(found.inner_ip != kNoOffset);
    expect(found.key.ip_version == frame[found.inner_ip] >> 4);
    const FlowKey back = found.key.reversed();
    expect(found.key.symmetric_hash(1) == back.symmetric_hash(1));
    expect(found.key.canonical() == back.canonical());
    if (found.is_fragment && !found.first_fragment) {
        expect(found.key.sport == 0 && found.key.dport == 0 && found.transport == kNoOffset);
    }
    if (!found.key_is_exact) return;

    // The key is where libpcap's tests look for it.
    const std::uint8_t* const ip = frame + found.inner_ip;
    const bool is_ipv4 = found.key.ip_version == 4;
    const std::size_t address_size = is_ipv4 ? 4 : 16;
    const std::size_t addresses = is_ipv4 ? 12 : 8;
    expect(!found.is_fragment);
    expect(std::memcmp(found.key.src.data(), ip + addresses, address_size) == 0);
    expect(std::memcmp(found.key.dst.data(), ip + addresses + address_size, address_size) == 0);
    expect(found.key.proto == ip[is_ipv4 ? 9 : 6]);
    if (found.key.sport == 0 && found.key.dport == 0) return;
    const std::uint8_t* const ports = ip + (is_ipv4 ? std::size_t{ip[0] & 0x0fU} * 4 : 40);
    expect(found.key.sport == yagura::base::load_be16(ports));
    expect(found.key.dport == yagura::base::load_be16(ports + 2));
}

void check_rest(const ParsedPacket& found) {
    expect(found.vlan_count <= kMaxVlans);
    for (std::size_t i = 0; i < kMaxVlans; ++i) expect(found.vlans[i] <= (i < found.vlan_count ? 0x0fff : 0));
    expect(found.malformed < Malformed::kCount);
    expect((found.tunnel == Tunnel::kNone) == (found.tunnel_depth == 0));
    expect(found.tunnel != Tunnel::kNone || found.tunnel_id == 0);
    expect(found.is_fragment || (!found.first_fragment && found.fragment_id == 0));
}

/// parse() has short ways, LayerWalker none. `found`: into a place that held nothing.
void check_against_walker(const ParsedPacket& found, Bytes frame, std::size_t wire_length, LinkType link) {
    ParsedPacket reference;
    LayerWalker(frame, wire_length, reference).walk(link);
    expect(found == reference);
    // Into a place that held something else.
    ParsedPacket again;
    std::memset(static_cast<void*>(&again), 0x5a, sizeof again);
    again.is_fragment = again.first_fragment = again.key_is_exact = true;
    parse(frame, wire_length, link, again);
    if (!reference.is_fragment) again.fragment_id = 0;
    expect(again == reference);
}

/// A tag changes offsets and nothing else.
void check_against_tagged(const ParsedPacket& plain, const std::uint8_t* frame, std::size_t size,
                          std::size_t wire_length) {
    if (size < 14 || plain.malformed == Malformed::kTooDeep || plain.vlan_count == kMaxVlans) return;
    // One layer more may be one too many, and an earlier fault's name would hide that.
    constexpr std::uint8_t kGre = 47;
    if (plain.malformed != Malformed::kNone && (plain.inner_ip != 14 || plain.key.proto == kGre)) return;
    std::vector<std::uint8_t> tagged(frame, frame + size);
    const std::uint8_t tag[] = {0x81, 0x00, 0x00, 0x63};
    tagged.insert(tagged.begin() + 12, std::begin(tag), std::end(tag));
    const ParsedPacket moved = parse(tagged, wire_length + 4, LinkType::kEthernet);
    if (moved.malformed == Malformed::kTooDeep) return;
    const auto by_four = [](std::uint16_t offset) {
        return offset == kNoOffset ? kNoOffset : static_cast<std::uint16_t>(offset + 4);
    };
    expect(moved.key == plain.key);
    expect(moved.key_is_exact == plain.key_is_exact);
    expect(moved.outer_ip == by_four(plain.outer_ip));
    expect(moved.inner_ip == by_four(plain.inner_ip));
    expect(moved.transport == by_four(plain.transport));
    expect(moved.payload == by_four(plain.payload));
    expect(moved.payload_size == plain.payload_size);
    expect(moved.tcp_flags == plain.tcp_flags);
    expect(moved.malformed == plain.malformed);
    expect(moved.tunnel == plain.tunnel && moved.tunnel_id == plain.tunnel_id);
    expect(moved.vlan_count == plain.vlan_count + 1);
}

}  // namespace

/// The first byte chooses the link type, the second how much longer the frame was on the wire.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    constexpr std::size_t kChoices = 2;
    if (size < kChoices) return 0;
    const LinkType link = kLinks[data[0] % std::size(kLinks)];
    const std::size_t frame_size = size - kChoices;
    const std::size_t wire_length = frame_size + std::size_t{data[1]} * 8;
    // A copy of the exact size, with its own guard zones.
    const auto frame = std::make_unique<std::uint8_t[]>(frame_size);
    std::copy_n(data + kChoices, frame_size, frame.get());

    const ParsedPacket found = parse({frame.get(), frame_size}, wire_length, link);
    check_offsets(found, frame_size);
    check_flow(found, frame.get());
    check_rest(found);
    check_against_walker(found, {frame.get(), frame_size}, wire_length, link);
    if (link == LinkType::kEthernet) check_against_tagged(found, frame.get(), frame_size, wire_length);
    return 0;
}
