// SPDX-License-Identifier: BSD-3-Clause
#include <catch2/catch.hpp>

#include "net/checksum.h"
#include "net/protocol_numbers.h"
#include "reset/reset_builder.h"

using namespace yagura;
using net::LinkType;
using net::PacketBuilder;
using net::ParsedPacket;
using reset::Crafted;
using reset::Encapsulation;
using reset::Refusal;
using reset::ResetBuilder;
using reset::Unreachable;
using Frame = std::vector<std::uint8_t>;

namespace {

const ResetBuilder kBuilder({1, 2});

ParsedPacket parse(const Frame& frame) {
    return net::parse(frame, frame.size(), LinkType::kEthernet);
}

Crafted refuse(const Frame& frame, Unreachable why, Frame& out) {
    Encapsulation back;
    REQUIRE(Encapsulation::take(frame, parse(frame), back) == Refusal::kNone);
    REQUIRE(back.reverse() == Refusal::kNone);
    out.assign(ResetBuilder::kMaxUnreachableFrame, 0xee);
    const Crafted crafted = kBuilder.unreachable(back, frame, parse(frame), why, {.ttl = 60}, out);
    out.resize(crafted.size);
    return crafted;
}

PacketBuilder query(std::uint8_t version) {
    PacketBuilder builder;
    builder.ethernet().vlan(5);
    version == 4 ? builder.ipv4("10.1.2.3", "10.9.8.7") : builder.ipv6("2001:db8::3", "2001:db8::7");
    return builder;
}

}  // namespace

TEST_CASE("an ICMP error goes to the sender and quotes what he sent") {
    struct Row {
        std::uint8_t version;
        Unreachable why;
        std::uint8_t type;
        std::uint8_t code;
        std::size_t payload;
    };
    const Row rows[] = {{4, Unreachable::kPort, 3, 3, 5},        {4, Unreachable::kProhibited, 3, 13, 1200},
                        {6, Unreachable::kPort, 1, 4, 0},        {6, Unreachable::kProhibited, 1, 1, 1200},
                        {4, Unreachable::kPort, 3, 3, 128 - 28}, {6, Unreachable::kPort, 1, 4, 128 - 48}};
    for (const Row& row : rows) {
        INFO("IPv" << int{row.version} << ", " << row.payload << " bytes");
        const Frame seen =
            query(row.version).udp(5000, 53).payload(std::string(row.payload, 'q')).pad_to(70).build();
        Frame made;
        REQUIRE(refuse(seen, row.why, made).ok());
        const ParsedPacket was = parse(seen);
        const ParsedPacket got = parse(made);
        CHECK(got.malformed == net::Malformed::kNone);
        CHECK(got.key.src == was.key.dst);
        CHECK(got.key.dst == was.key.src);
        CHECK(got.key.proto == (row.version == 4 ? net::ip_proto::kIcmp : net::ip_proto::kIcmpv6));
        CHECK(got.vlans[0] == 5);
        const std::uint8_t* const message = &made[got.transport];
        CHECK(message[0] == row.type);
        CHECK(message[1] == row.code);
        const std::size_t quoted = std::min<std::size_t>(128, (row.version == 4 ? 28 : 48) + row.payload);
        CHECK(std::equal(message + 8, message + 8 + quoted, seen.begin() + was.inner_ip));
        for (std::size_t at = quoted; at < 128; ++at) CHECK(message[8 + at] == 0);

        const base::Bytes whole = base::Bytes(made).subspan(got.transport);
        const std::uint32_t pseudo = row.version == 4
                                         ? 0
                                         : net::pseudo_header_sum(got.key.src, got.key.dst, 6, got.key.proto,
                                                                  static_cast<std::uint32_t>(whole.size()));
        CHECK(net::finish_sum(net::add_to_sum(pseudo, whole)) == 0);
        CHECK(kBuilder.is_own(made, got));
        CHECK_FALSE(ResetBuilder({2, 2}).is_own(made, got));
        made[got.transport + 1] ^= 1;
        CHECK_FALSE(kBuilder.is_own(made, parse(made)));
    }
}

TEST_CASE("what must not be answered with an ICMP error is not") {
    Frame out;
    const auto refused = [&](const PacketBuilder& builder) {
        return refuse(builder.build(), Unreachable::kPort, out).refusal;
    };
    const auto from = [](const char* src, const char* dst) {
        PacketBuilder builder;
        builder.ethernet();
        return std::string_view(src).find(':') == std::string_view::npos ? builder.ipv4(src, dst)
                                                                         : builder.ipv6(src, dst);
    };
    CHECK(refused(query(4).icmp(3, 3).payload("an error")) == Refusal::kNotAllowed);
    CHECK(refused(query(4).icmp(0, 0)) == Refusal::kNotAllowed);
    CHECK(refused(query(6).icmpv6(1, 4).payload("an error")) == Refusal::kNotAllowed);
    CHECK(refused(query(6).icmpv6(135, 0)) == Refusal::kNotAllowed);
    CHECK(refused(from("10.0.0.1", "224.0.0.1").udp(1, 2)) == Refusal::kNotAllowed);
    CHECK(refused(from("10.0.0.1", "255.255.255.255").udp(1, 2)) == Refusal::kNotAllowed);
    CHECK(refused(from("0.0.0.0", "10.0.0.1").udp(1, 2)) == Refusal::kNotAllowed);
    CHECK(refused(from("127.0.0.1", "10.0.0.1").udp(1, 2)) == Refusal::kNotAllowed);
    CHECK(refused(from("2001:db8::1", "ff02::1").udp(1, 2)) == Refusal::kNotAllowed);
    CHECK(refused(from("::", "2001:db8::1").udp(1, 2)) == Refusal::kNotAllowed);
    CHECK(refused(query(4).fragment(64, true, 1).payload("12345678")) == Refusal::kFragment);
    CHECK(refused(PacketBuilder()
                      .ethernet({0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
                      .ipv4("10.0.0.1", "10.0.0.255")
                      .udp(1, 2)) == Refusal::kNotAllowed);

    CHECK(refused(query(4).icmp(8, 0)) == Refusal::kNone);
    CHECK(refused(query(6).icmpv6(128, 0)) == Refusal::kNone);
    CHECK(refused(query(4).udp(1, 2)) == Refusal::kNone);
    CHECK(refused(query(6).sctp(1, 2)) == Refusal::kNone);
}

TEST_CASE("an ICMP error of somebody else is not ours") {
    const Frame foreign = query(4).icmp(3, 3).payload(std::string(144, 'x')).build();
    CHECK_FALSE(kBuilder.is_own(foreign, parse(foreign)));
    const Frame udp = query(4).udp(1, 2).build();
    CHECK_FALSE(kBuilder.is_own(udp, parse(udp)));
}
