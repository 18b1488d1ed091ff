// SPDX-License-Identifier: BSD-3-Clause
#include "net/packet_builder.h"

#include <catch2/catch.hpp>
#include <cstring>
#include <stdexcept>
#include <string_view>

#include "net/checksum.h"

using namespace yagura::net;
using yagura::base::Bytes;
using Frame = std::vector<std::uint8_t>;

TEST_CASE("the internet checksum of RFC 1071's example") {
    const Frame bytes = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
    CHECK(internet_checksum(bytes) == static_cast<std::uint16_t>(~0xddf2));
    const Frame odd = {0x01, 0x02, 0x03};
    CHECK(internet_checksum(odd) == static_cast<std::uint16_t>(~0x0402));
    CHECK(internet_checksum({}) == 0xffff);
    CHECK(internet_checksum(Frame(65536, 0xff)) == 0);
}

TEST_CASE("CRC-32C of RFC 3720's examples") {
    CHECK(crc32c(Frame(32, 0)) == 0x8a9136aa);
    CHECK(crc32c(Frame(32, 0xff)) == 0x62a8ab43);
    const std::string_view digits = "123456789";
    CHECK(crc32c({reinterpret_cast<const std::uint8_t*>(digits.data()), digits.size()}) == 0xe3069283);
}

TEST_CASE("a built packet is the very packet that a host sent") {
    // 10.0.0.1:40000 > 10.0.0.2:80, PSH ACK, "hi": checksums computed apart from this code.
    const Frame expected = {2,    0,    0, 0,  0,   2,  2, 0, 0,  0, 0,    1,    8,    0,  // Ethernet
                            0x45, 0,    0, 42, 0,   0,  0, 0, 64, 6, 0x66, 0xcc,           // IPv4
                            10,   0,    0, 1,  10,  0,  0, 2,                              //
                            0x9c, 0x40, 0, 80, 0,   0,  0, 1, 0,  0, 0,    2,    0x50, 0x18,
                            0xff, 0xff,  // TCP
                            0x96, 0xcb, 0, 0,  'h', 'i'};
    const Frame built = PacketBuilder()
                            .ethernet()
                            .ipv4("10.0.0.1", "10.0.0.2")
                            .tcp(40000, 80, tcp_flag::kPsh | tcp_flag::kAck, {.seq = 1, .ack = 2})
                            .payload("hi")
                            .build();
    CHECK(built == expected);
}

TEST_CASE("every checksum that is filled in verifies") {
    const auto ones = [](const Frame& frame, std::size_t ip, std::uint8_t proto) {
        const bool is_ipv4 = frame[ip] >> 4 == 4;
        const std::size_t header = is_ipv4 ? 20 : 40;
        IpAddress src{};
        IpAddress dst{};
        const std::size_t size = is_ipv4 ? 4 : 16;
        std::memcpy(src.data(), &frame[ip + (is_ipv4 ? 12 : 8)], size);
        std::memcpy(dst.data(), &frame[ip + (is_ipv4 ? 12 : 8) + size], size);
        const Bytes rest = Bytes(frame).subspan(ip + header);
        const std::uint32_t sum =
            pseudo_header_sum(src, dst, is_ipv4 ? 4 : 6, proto, static_cast<std::uint32_t>(rest.size()));
        return finish_sum(add_to_sum(sum, rest));
    };
    const auto v4 = [] { return PacketBuilder().ipv4("192.0.2.1", "192.0.2.2"); };
    const auto v6 = [] { return PacketBuilder().ipv6("2001:db8::1", "2001:db8::2"); };
    CHECK(ones(v4().tcp(1, 2).payload("odd").build(), 0, 6) == 0);
    CHECK(ones(v6().tcp(1, 2).payload("odd").build(), 0, 6) == 0);
    CHECK(ones(v4().udp(1, 2).payload("odd").build(), 0, 17) == 0);
    CHECK(ones(v6().udp(1, 2).payload("even").build(), 0, 17) == 0);
    CHECK(ones(v6().icmpv6(128, 0, 1).payload("ping").build(), 0, 58) == 0);
    const Frame ping = v4().icmp(8, 0, 1).payload("ping").build();
    CHECK(internet_checksum(Bytes(ping).first(20)) == 0);
    CHECK(internet_checksum(Bytes(ping).subspan(20)) == 0);
    // In a tunnel the checksums of both packets hold.
    const Frame tunnelled =
        v4().udp(1, 4789).vxlan(1).ethernet().ipv4("10.0.0.1", "10.0.0.2").tcp(1, 2).build();
    CHECK(ones(tunnelled, 0, 17) == 0);
    CHECK(ones(tunnelled, 50, 6) == 0);
    Frame sctp = v4().sctp(1, 2).payload("chunk").build();
    const std::uint32_t stored = sctp[28] | sctp[29] << 8 | sctp[30] << 16 | std::uint32_t{sctp[31]} << 24;
    std::fill_n(sctp.begin() + 28, 4, 0);
    CHECK(crc32c(Bytes(sctp).subspan(20)) == stored);
}

TEST_CASE("addresses are read from text or refused") {
    CHECK(parse_address("192.0.2.1")->ip_version == 4);
    CHECK(to_string(parse_address("2001:db8::1")->address, 6) == "2001:db8::1");
    for (const char* text : {"", "192.0.2", "192.0.2.256", "2001:db8:::1", "host"})
        CHECK_FALSE(parse_address(text));
    CHECK_THROWS_AS(PacketBuilder().ipv4("2001:db8::1", "192.0.2.1"), std::invalid_argument);
    CHECK_THROWS_AS(PacketBuilder().ethernet().tcp_options({}), std::invalid_argument);
}

TEST_CASE("a builder can be copied and built again") {
    const PacketBuilder base = PacketBuilder().ethernet().ipv4("10.0.0.1", "10.0.0.2");
    const Frame first = PacketBuilder(base).tcp(1, 2).build();
    CHECK(PacketBuilder(base).tcp(1, 2).build() == first);
    CHECK(PacketBuilder(base).udp(1, 2).build() != first);
}
