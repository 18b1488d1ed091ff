// SPDX-License-Identifier: BSD-3-Clause
#include "support/wire_packets.h"

#include <algorithm>

#include "net/protocol_numbers.h"

namespace yagura::test {
namespace {

using Form = WireForm;
constexpr std::size_t kEthernetMtu = 1500;
constexpr std::size_t kIpLength = 16;  ///< of an IPv4 packet in an Ethernet frame without tags

}  // namespace

WirePackets::WirePackets(const Conversation& conversation, const Form& form, const Endpoints& ends,
                         Random& random, WireCase& result)
    : v6_(conversation.ip_version == 6),
      proto_(conversation.proto),
      form_(form),
      ends_(ends),
      random_(random),
      result_(result),
      next_id_(ends.first_ip_id) {
    for (auto& id : tunnel_ids_) id = random.between(1, 0xffffff);
    for (auto& id : vlans_) id = static_cast<std::uint16_t>(random.between(1, 4094));
}

bool WirePackets::hidden(Way way) const {
    return form_.sides == (way == Way::kToServer ? Form::Sides::kServerOnly : Form::Sides::kClientOnly);
}

void WirePackets::send(Way way, const Header& header, const std::string& payload, bool may_fragment) {
    if (hidden(way)) return;
    if (may_fragment && form_.fragments != 0 && random_.one_in(form_.fragments)) {
        send_fragments(way, transport(way, header, payload));
        return;
    }
    net::PacketBuilder packet = outside(way);
    add_ip(packet, way);
    add_transport(packet, way, header);
    if (!payload.empty()) packet.payload(payload);
    // A capture on the sending host sees what the card will cut before it has a length.
    const bool no_length = form_.cut == Form::Cut::kOffload && form_.outside == Form::Outside::kNothing &&
                           !v6_ && proto_ == net::ip_proto::kTcp && !payload.empty() && random_.one_in(3);
    // As Ethernet does; nobody may take it for payload.
    if (!no_length && random_.one_in(2)) packet.pad_to(60);
    result_.handed_on.push_back(result_.packets.size());
    result_.packets.push_back({packet.build(), way});
    if (no_length) base::store_be16(result_.packets.back().frame.data() + kIpLength, 0);
}

net::PacketBuilder WirePackets::outside(Way way) {
    net::PacketBuilder packet;
    packet.ethernet();
    const std::size_t i = index_of(way);
    const net::IpAddress ends[] = {{172, 16, 0, 1}, {172, 16, 0, 2}};
    switch (form_.outside) {
        case Form::Outside::kNothing:
            break;
        case Form::Outside::kVlan:
            packet.vlan(vlans_[i]);
            break;
        case Form::Outside::kTwoVlans:
            packet.vlan(vlans_[0], 0x88a8).vlan(vlans_[1]);
            break;
        case Form::Outside::kMpls:
            packet.mpls(tunnel_ids_[i] & 0xfffff).mpls(16 + vlans_[0]);
            break;
        case Form::Outside::kVlanVxlan:
            packet.vlan(vlans_[0]);
            [[fallthrough]];
        case Form::Outside::kVxlan: {
            const auto port = static_cast<std::uint16_t>(random_.between(49152, 65535));
            packet.ipv4(ends[i], ends[1 - i]).udp(port, 4789).vxlan(tunnel_ids_[0]).ethernet();
            break;
        }
        case Form::Outside::kGtpU:  // each end gives the other the number to write
            packet.ipv4(ends[i], ends[1 - i]).udp(2152, 2152).gtp_u(tunnel_ids_[i]);
            break;
    }
    return packet;
}

void WirePackets::add_ip(net::PacketBuilder& packet, Way way) const {
    const bool up = way == Way::kToServer;
    const net::IpAddress& src = up ? ends_.client : ends_.server;
    const net::IpAddress& dst = up ? ends_.server : ends_.client;
    if (v6_) {
        packet.ipv6(src, dst);
    } else {
        packet.ipv4(src, dst);
    }
}

void WirePackets::add_transport(net::PacketBuilder& packet, Way way, const Header& header) {
    const bool up = way == Way::kToServer;
    const std::uint16_t sport = up ? ends_.client_port : ends_.server_port;
    const std::uint16_t dport = up ? ends_.server_port : ends_.client_port;
    if (proto_ == net::ip_proto::kUdp) {
        packet.udp(sport, dport);
        return;
    }
    packet.tcp(sport, dport, header.flags, header.tcp);
    static constexpr std::uint8_t kOptions[12] = {1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2};  // time stamps
    if (random_.one_in(2)) packet.tcp_options(kOptions);
}

/// The transport header with its checksum, and the payload.
std::vector<std::uint8_t> WirePackets::transport(Way way, const Header& header, const std::string& payload) {
    net::PacketBuilder packet;
    add_ip(packet, way);
    add_transport(packet, way, header);
    std::vector<std::uint8_t> bytes = packet.payload(payload).build();
    bytes.erase(bytes.begin(), bytes.begin() + (v6_ ? 40 : 20));
    return bytes;
}

void WirePackets::send_fragments(Way way, const std::vector<std::uint8_t>& datagram) {
    struct Fragment {
        std::size_t begin, end;
    };
    std::vector<Fragment> fragments;
    const std::size_t least = datagram.size() / 12;
    for (std::size_t at = 0; at < datagram.size();) {
        std::size_t size = 8 * random_.between(1, 1 + std::max(kEthernetMtu, least) / 8) + least / 8 * 8;
        // Mostly with the whole transport header, as everybody sends it.
        if (at == 0 && !random_.one_in(8)) size = std::max<std::size_t>(size, 40);
        if (random_.one_in(3)) size = std::min<std::size_t>(size, 64 + least / 8 * 8);
        fragments.push_back({at, std::min(at + size, datagram.size())});
        at = fragments.back().end;
    }
    if (fragments.size() > 1 && random_.one_in(4))
        fragments.push_back(fragments[random_.below(fragments.size())]);
    if (!random_.one_in(3)) random_.shuffle(fragments);
    const std::uint16_t id = next_id_++;
    std::vector<std::size_t> waiting;
    bool first_came = false;
    for (const Fragment& fragment : fragments) {
        const bool more = fragment.end != datagram.size();
        const auto offset = static_cast<std::uint16_t>(fragment.begin);
        net::PacketBuilder packet = outside(way);
        add_ip(packet, way);
        if (v6_) {
            packet.ipv6_fragment(offset, more, id);
        } else {
            packet.fragment(offset, more, id);
        }
        packet.next(proto_).payload(
            base::Bytes(datagram).subspan(fragment.begin, fragment.end - fragment.begin));
        const std::size_t index = result_.packets.size();
        result_.packets.push_back({packet.build(), way});
        if (fragment.begin == 0 || first_came) {
            result_.handed_on.push_back(index);
        } else {
            waiting.push_back(index);
        }
        if (fragment.begin == 0 && !first_came) {
            first_came = true;
            result_.handed_on.insert(result_.handed_on.end(), waiting.begin(), waiting.end());
        }
    }
}

}  // namespace yagura::test
