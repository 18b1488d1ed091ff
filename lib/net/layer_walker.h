// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "net/cursor.h"
#include "net/parser.h"

namespace yagura::net {

/// The general path of parse(): walks from header to header and writes what it finds. Internal to lib/net.
///
/// Every step reads one kind of header and says what comes next, so that the depth of a packet costs turns of
/// a loop and not stack. What lies behind a tunnel header counts (in the result: tunnel, VLANs, key, offsets)
/// from the moment that an inner IP header is seen to be whole; until then the outer packet's findings stand.
class LayerWalker {
  public:
    LayerWalker(base::Bytes frame, std::size_t wire_length, ParsedPacket& out)
        : cursor_(frame, wire_length), out_(out) {}

    void walk(LinkType link_type);

  private:
    enum class Next : std::uint8_t {
        kStop,
        kEthernet,
        kEthertype,  ///< what type_ says
        kIp,         ///< IPv4 or IPv6 by the version nibble
        kIpv4,
        kIpv6,
        kTransport,  ///< what proto_ says
    };

    // link_layers.cc
    Next first_header(LinkType link_type);
    Next null_or_loop(LinkType link_type);
    Next linux_cooked();
    Next linux_cooked2();
    Next ethernet();
    Next by_ethertype();
    bool vlan_tag();
    bool vn_tag();
    Next llc();
    Next mpls();
    Next pppoe();
    Next ppp_protocol(std::uint16_t protocol);
    bool looks_like_ethernet(std::size_t skip) const;

    // ip_layers.cc
    Next ip_by_nibble();
    Next ipv4();
    Next ipv6();
    Next ipv6_extensions();
    bool begin_ip(std::uint8_t version);
    void enter_ip(std::uint8_t version, const std::uint8_t* addresses);
    void begin_fragment(std::size_t offset, bool more);

    // transport_layers.cc
    Next transport();
    Next tcp();
    Next udp();
    Next dccp();
    Next icmp();
    Next authentication_header();
    Next fixed_size_transport(std::size_t size);
    Next sized_transport(std::size_t size, std::size_t least);
    Next payload_without_transport();
    bool open_flow_with_ports();
    void open_flow(std::uint16_t sport, std::uint16_t dport);
    bool found_transport();
    bool set_payload(std::size_t header_size);

    // tunnel_layers.cc
    Next inside_tunnel(Tunnel tunnel, std::uint32_t id, Next next);
    Next ip_in_ip(Next next);
    Next gre();
    Next gre_v0();
    Next pptp();
    Next erspan(std::uint16_t protocol, bool has_sequence);
    Next vxlan();
    Next geneve();
    Next gtp_u();

    /// False, and kTooDeep, at a place that 16 bits cannot name.
    bool position_fits();
    /// Counts a header against kMaxLayers.
    bool descend();
    void too_deep();
    void note(Malformed reason);
    Next fault(Malformed reason) {
        note(reason);
        return Next::kStop;
    }
    void leave_unfinished_tunnel();

    Cursor cursor_;
    ParsedPacket& out_;
    unsigned layers_ = 0;
    std::uint16_t type_ = 0;
    std::uint8_t proto_ = 0;

    // The innermost IP header that counts.
    const std::uint8_t* addresses_ = nullptr;  ///< source, then destination
    std::uint8_t version_ = 0;
    bool plain_header_ = false;    ///< libpcap finds the transport header where the walker does
    bool length_missing_ = false;  ///< its length field is 0: segmentation offload, or a jumbogram

    // A tunnel header that was read while no inner IP header is known yet.
    Tunnel pending_tunnel_ = Tunnel::kNone;
    std::uint32_t pending_id_ = 0;
    std::uint8_t vlans_before_tunnel_ = 0;
    /// Only a UDP port says that there is a tunnel: what does not fit is plain UDP payload, and no fault.
    bool guessed_ = false;
};

}  // namespace yagura::net
