// SPDX-License-Identifier: BSD-3-Clause
#include "net/fragment.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "net/packet_builder.h"
#include "net/protocol_numbers.h"

using namespace yagura;
using net::PacketBuilder;
using Frame = std::vector<std::uint8_t>;

namespace {

PacketBuilder ipv4_frame() {
    return PacketBuilder().ethernet().ipv4("10.0.0.1", "10.0.0.2");
}
PacketBuilder ipv6_frame() {
    return PacketBuilder().ethernet().ipv6("2001:db8::1", "2001:db8::2");
}
std::string text_of(base::Bytes bytes) {
    return {bytes.begin(), bytes.end()};
}

}  // namespace

TEST_CASE("a fragment's place and data are read from its IP header") {
    struct Row {
        const char* what;
        Frame frame;
        std::uint32_t id;
        std::uint32_t offset;
        bool more;
        std::uint8_t proto;
        std::uint32_t size;
        std::string data_end;  ///< what the data ends with
    };
    const Row row = GENERATE(values<Row>({
        {"IPv4, first", ipv4_frame().fragment(0, true, 7).udp(1, 2).payload("12345678").build(), 7, 0, true,
         17, 16, "12345678"},
        {"IPv4, middle", ipv4_frame().fragment(24, true, 7).next(17).payload("12345678").build(), 7, 24, true,
         17, 8, "12345678"},
        {"IPv4, last, padded",
         ipv4_frame().fragment(65528, false, 7).next(6).payload("abc").pad_to(60).build(), 7, 65528, false, 6,
         3, "abc"},
        {"IPv4 with options",
         ipv4_frame().ipv4_options(Frame(8, 1)).fragment(8, false, 9).next(17).payload("abc").build(), 9, 8,
         false, 17, 3, "abc"},
        {"too small for ports", ipv4_frame().fragment(0, true, 7).next(6).payload("abc").build(), 7, 0, true,
         6, 3, "abc"},
        {"IPv6, first", ipv6_frame().ipv6_fragment(0, true, 0x12345678).udp(1, 2).payload("12345678").build(),
         0x12345678, 0, true, 17, 16, "12345678"},
        {"IPv6, last, behind an extension",
         ipv6_frame().ipv6_extension(0).ipv6_fragment(24, false, 9).next(17).payload("abc").build(), 9, 24,
         false, 17, 3, "abc"},
        {"IPv6, first, before an extension",
         ipv6_frame().ipv6_fragment(0, true, 9).ipv6_extension(60, 16).udp(1, 2).payload("12345678").build(),
         9, 0, true, 60, 32, "12345678"},
        {"in a tunnel",
         ipv4_frame()
             .udp(1, 4789)
             .vxlan(5)
             .ethernet()
             .ipv4("1.1.1.1", "2.2.2.2")
             .fragment(8, false, 3)
             .next(17)
             .payload("abc")
             .build(),
         3, 8, false, 17, 3, "abc"},
    }));
    INFO(row.what);
    const auto parsed = net::parse(row.frame, row.frame.size(), net::LinkType::kEthernet);
    const auto part = net::read_fragment(row.frame, parsed);
    REQUIRE(part);
    CHECK(part->id == row.id);
    CHECK(part->id == parsed.fragment_id);
    CHECK(part->offset == row.offset);
    CHECK(part->more == row.more);
    CHECK(part->proto == row.proto);
    CHECK(part->size == row.size);
    REQUIRE(part->data.size() == row.size);
    CHECK(text_of(part->data.last(row.data_end.size())) == row.data_end);
}

TEST_CASE("every cut of a fragment gives what is there") {
    const Frame frame = GENERATE(
        ipv4_frame().fragment(8, true, 7).next(17).payload("12345678").build(),
        ipv6_frame().ipv6_extension(0).ipv6_fragment(8, true, 7).next(17).payload("12345678").build());
    const std::size_t data = frame.size() - 8;
    for (std::size_t cut = 0; cut <= frame.size(); ++cut) {
        const Frame shorter(frame.begin(),
                            frame.begin() + static_cast<long>(cut));  // so that ASan sees its end
        const auto parsed = net::parse(shorter, frame.size(), net::LinkType::kEthernet);
        const auto part = net::read_fragment(shorter, parsed);
        if (!parsed.is_fragment) {
            CHECK_FALSE(part);
            continue;
        }
        REQUIRE(part);
        CHECK(part->size == 8);
        CHECK(part->data.size() == cut - data);
    }
}

TEST_CASE("what is no fragment has no part") {
    const Frame frame = GENERATE(ipv4_frame().udp(1, 2).payload("abc").build(),
                                 ipv6_frame().ipv6_fragment(0, false, 1).udp(1, 2).build(),
                                 PacketBuilder().ethernet().arp().build());
    CHECK_FALSE(net::read_fragment(frame, net::parse(frame, frame.size(), net::LinkType::kEthernet)));
}

TEST_CASE("a transport read by itself is what the parser finds in the packet") {
    const Frame frame = GENERATE(
        ipv4_frame().tcp(1, 80, 0x18, {.seq = 7, .ack = 9}).payload("abc").build(),
        ipv4_frame().tcp(1, 80).tcp_options(Frame(12, 1)).payload("abc").build(),
        ipv4_frame().udp(1, 2).payload("abc").build(), ipv4_frame().udp_lite(1, 2).payload("abc").build(),
        ipv4_frame().sctp(1, 2).payload("abc").build(), ipv4_frame().dccp(1, 2).payload("abc").build(),
        ipv4_frame().icmp(8, 0).payload("abc").build(),
        ipv4_frame().authentication_header().udp(1, 2).payload("abc").build(),
        ipv4_frame().next(60).payload(Frame(20)).build(), ipv4_frame().esp(1).payload("abc").build(),
        ipv6_frame().tcp(1, 80).payload("abc").build(), ipv6_frame().icmpv6(128, 0).payload("abc").build(),
        ipv6_frame().ipv6_extension(60, 24).authentication_header().udp(1, 2).payload("abc").build(),
        ipv6_frame().next(200).payload("abc").build());
    const auto whole = net::parse(frame, frame.size(), net::LinkType::kEthernet);
    CAPTURE(int{whole.key.ip_version}, int{whole.key.proto});
    const bool v4 = whole.key.ip_version == 4;
    const std::size_t begin = v4 ? 34 : 54;
    const std::uint8_t first_proto = v4 ? frame[23] : frame[20];
    for (std::size_t cut = begin; cut <= frame.size(); ++cut) {
        // The IP packet ends here, and says so.
        Frame shorter(frame.begin(), frame.begin() + static_cast<long>(cut));
        base::store_be16(shorter.data() + (v4 ? 16 : 18), static_cast<std::uint16_t>(cut - (v4 ? 14 : 54)));
        if (!v4 && cut == begin) continue;  // a length of 0 means something else
        const auto parsed = net::parse(shorter, shorter.size(), net::LinkType::kEthernet);
        const auto part =
            net::read_transport(whole.key.ip_version, first_proto, base::Bytes(shorter).subspan(begin));
        CAPTURE(cut);
        CHECK(part.sound == (parsed.malformed == net::Malformed::kNone));
        if (!part.sound) continue;
        CHECK(part.proto == parsed.key.proto);
        CHECK(part.tcp_flags == parsed.tcp_flags);
        CHECK(part.payload.size() == parsed.payload_size);
        if (parsed.payload_size > 0) CHECK(part.payload.data() == shorter.data() + parsed.payload);
        if (part.proto == net::ip_proto::kTcp) {
            CHECK(part.tcp_seq == base::load_be32(shorter.data() + parsed.transport + 4));
            CHECK(part.tcp_ack == base::load_be32(shorter.data() + parsed.transport + 8));
        }
    }
}
