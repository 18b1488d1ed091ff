// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "net/flow_key.h"
#include "net/mac_address.h"
#include "net/protocol_numbers.h"

namespace yagura::net {

/// An address from text ("192.0.2.1", "2001:db8::1"); nothing if it is neither IPv4 nor IPv6.
struct ParsedAddress {
    IpAddress address{};
    std::uint8_t ip_version = 0;
};
std::optional<ParsedAddress> parse_address(std::string_view text);

/// Builds a packet from the outside in:
///
///     PacketBuilder().ethernet().vlan(5).ipv4("10.0.0.1", "10.0.0.2").tcp(40000, 80).payload("GET
///     /").build()
///
/// build() fills in what follows from the whole: next-header numbers, lengths, checksums (IPv4, TCP, UDP,
/// UDP-Lite, SCTP, ICMP, ICMPv6), the bottom bit of the MPLS stack. A method that says "of the last" changes
/// the header that was added last. For a packet that is wrong on purpose, change the bytes that build()
/// gives.
///
/// Allocates: not for the hot path. A text that is no address of the right version throws
/// std::invalid_argument. One builder belongs to one thread; it may be copied, and built more than once.
class PacketBuilder {
  public:
    struct TcpFields {
        std::uint32_t seq = 0;
        std::uint32_t ack = 0;
        std::uint16_t window = 65535;
    };
    struct GreFields {
        std::optional<std::uint32_t> key{};
        std::optional<std::uint32_t> sequence{};
        bool checksum = false;  ///< room for it; the value is 0
    };
    struct GtpExtension {
        std::uint8_t type = 0;
        std::uint8_t words = 1;  ///< of four bytes
    };

    // Link layer
    PacketBuilder& ethernet(const MacAddress& dst = {2, 0, 0, 0, 0, 2},
                            const MacAddress& src = {2, 0, 0, 0, 0, 1});
    PacketBuilder& llc_snap();  ///< after ethernet(), whose type becomes a length
    PacketBuilder& vlan(std::uint16_t id, std::uint16_t tpid = 0x8100, std::uint8_t priority = 0);
    PacketBuilder& vn_tag();
    PacketBuilder& mpls(std::uint32_t label, std::uint8_t ttl = 64);
    PacketBuilder& mpls_control_word();
    PacketBuilder& pppoe(std::uint16_t session);
    PacketBuilder& null_loop(std::uint32_t family, bool little_endian);
    PacketBuilder& linux_cooked();
    PacketBuilder& linux_cooked2();
    PacketBuilder& arp();  ///< a request, IPv4 over Ethernet

    // IP
    PacketBuilder& ipv4(const IpAddress& src, const IpAddress& dst);
    PacketBuilder& ipv4(std::string_view src, std::string_view dst);
    PacketBuilder& ipv6(const IpAddress& src, const IpAddress& dst);
    PacketBuilder& ipv6(std::string_view src, std::string_view dst);
    PacketBuilder& ttl(std::uint8_t hops);             ///< of the last IP header
    PacketBuilder& ipv4_options(base::Bytes options);  ///< of the last header, IPv4; padded to four bytes
    /// Of the last header, IPv4: `offset` in bytes, a multiple of 8.
    PacketBuilder& fragment(std::uint16_t offset, bool more, std::uint16_t id);
    /// A header of type 0, 43, 60, 135, 139 or 140 with `size` bytes (a multiple of 8), filled with padding.
    PacketBuilder& ipv6_extension(std::uint8_t type, std::size_t size = 8);
    PacketBuilder& ipv6_fragment(std::uint16_t offset, bool more, std::uint32_t id);
    PacketBuilder& authentication_header(std::size_t size = 24);

    // Transport
    PacketBuilder& tcp(std::uint16_t sport, std::uint16_t dport, std::uint8_t flags, const TcpFields& fields);
    PacketBuilder& tcp(std::uint16_t sport, std::uint16_t dport, std::uint8_t flags = tcp_flag::kAck) {
        return tcp(sport, dport, flags, TcpFields{});
    }
    PacketBuilder& tcp_options(base::Bytes options);  ///< of the last header; padded to four bytes
    PacketBuilder& udp(std::uint16_t sport, std::uint16_t dport);
    PacketBuilder& udp_lite(std::uint16_t sport, std::uint16_t dport);
    PacketBuilder& sctp(std::uint16_t sport, std::uint16_t dport, std::uint32_t tag = 1);
    PacketBuilder& dccp(std::uint16_t sport, std::uint16_t dport);  ///< DCCP-Data; the checksum is 0
    PacketBuilder& icmp(std::uint8_t type, std::uint8_t code, std::uint32_t rest = 0);
    PacketBuilder& icmpv6(std::uint8_t type, std::uint8_t code, std::uint32_t rest = 0);
    PacketBuilder& esp(std::uint32_t spi);

    // Tunnels: VXLAN, GENEVE and GTP-U go after a udp() with their port
    PacketBuilder& gre(const GreFields& fields);
    PacketBuilder& gre() { return gre(GreFields{}); }
    PacketBuilder& pptp(std::uint16_t call_id, bool address_and_control = true);
    PacketBuilder& erspan1();                       ///< after gre()
    PacketBuilder& erspan2(std::uint16_t session);  ///< after gre() with a sequence number
    PacketBuilder& erspan3(std::uint16_t session, bool subheader = false);  ///< the same
    PacketBuilder& vxlan(std::uint32_t vni);
    PacketBuilder& geneve(std::uint32_t vni, std::size_t options_size = 0);
    PacketBuilder& gtp_u(std::uint32_t teid, std::initializer_list<GtpExtension> extensions = {});

    // The rest
    PacketBuilder& payload(std::string_view bytes);
    PacketBuilder& payload(base::Bytes bytes);
    PacketBuilder& next(std::uint16_t number);  ///< of the last: this EtherType or protocol, whatever follows
    PacketBuilder& pad_to(std::size_t frame_size);  ///< zero bytes behind the packet, in no length

    std::vector<std::uint8_t> build() const;

  private:
    enum class Kind : std::uint8_t {
        kEthernet,
        kLlcSnap,
        kVlan,
        kVnTag,
        kMpls,
        kControlWord,
        kPppoe,
        kNullLoop,
        kLinuxCooked,
        kLinuxCooked2,
        kArp,
        kIpv4,
        kIpv6,
        kIpExtension,  ///< AH too
        kTcp,
        kUdp,
        kUdpLite,
        kSctp,
        kDccp,
        kIcmp,
        kIcmpv6,
        kEsp,
        kGre,
        kPptp,
        kErspan1,
        kErspan2,
        kErspan3,
        kVxlan,
        kGeneve,
        kGtpU,
        kPayload,
    };
    struct Layer {
        Kind kind;
        std::vector<std::uint8_t> bytes;
        std::uint16_t type = 0;  ///< the number under which it goes, where its kind has several
        std::optional<std::uint16_t> next{};
    };

    PacketBuilder& add(Kind kind, std::initializer_list<unsigned> bytes);
    PacketBuilder& ip(std::uint8_t version, std::string_view src, std::string_view dst);
    Layer& last(std::initializer_list<Kind> kinds);

    static std::optional<std::uint16_t> ethertype_of(const Layer& layer);
    static std::optional<std::uint8_t> protocol_of(const Layer& layer);
    static void fill_next(const Layer& layer, const Layer* inner, std::uint8_t* header, std::size_t size);
    static void fill_length(const Layer& layer, std::uint8_t* header, std::size_t size);
    static void fill_checksum(const Layer& layer, std::uint8_t* header, std::size_t size, const Layer* ip);

    std::vector<Layer> layers_;
    std::size_t padded_size_ = 0;
};

}  // namespace yagura::net
