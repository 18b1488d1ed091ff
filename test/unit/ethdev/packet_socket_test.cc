// SPDX-License-Identifier: BSD-3-Clause
#include "drivers/ethdev/packet_socket.h"

#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "net/packet_builder.h"

using namespace yagura;
using namespace yagura::ethdev;

namespace {

constexpr std::uint32_t kFrames = 1024;

PacketSocketRing ring_of(const std::string& text) {
    DeviceString device(text);
    auto ring = complete_packet_socket(device, kFrames);
    REQUIRE(ring.ok());
    return *ring;
}

std::vector<std::uint8_t> segment(std::size_t payload) {
    return net::PacketBuilder()
        .ethernet()
        .ipv4("10.0.0.1", "10.0.0.2")
        .tcp(1, 2)
        .payload(std::string(payload, 'x'))
        .build();
}

}  // namespace

TEST_CASE("a packet socket without sizes gets slots that the largest segments fit in") {
    DeviceString device("net_af_packet0,iface=br0");
    const auto ring = complete_packet_socket(device, kFrames);
    REQUIRE(ring.ok());
    CHECK(ring->chosen);
    CHECK(ring->iface == "br0");
    CHECK(ring->frame_count == kFrames);
    // TCP's largest segment, with the longest of its headers, IPv6's and a tag.
    CHECK(ring->snap() >= 65'215 + 60 + 40 + 18);
    // DPDK's driver wants it to fit in one mbuf, whose lengths have 16 bits.
    CHECK(ring->sendable() + 128 <= 65'535);
    const unsigned long block = *device.number("blocksz");
    CHECK(block % 4096 == 0);
    CHECK(block % *device.number("framesz") == 0);
    CHECK(*device.number("framecnt") % (block / *device.number("framesz")) == 0);
    CHECK(ring->memory_mib() == 128);
}

TEST_CASE("a packet socket has as many queues as are read, which share its slots") {
    DeviceString device("net_af_packet0,iface=br0");
    const auto ring = complete_packet_socket(device, kFrames, 3);
    REQUIRE(ring.ok());
    CHECK(device.number("qpairs") == 3);
    CHECK(ring->frame_count >= kFrames / 3);
    CHECK(ring->memory_mib() < 150);
    DeviceString named("net_af_packet0,iface=br0,qpairs=4");
    CHECK(complete_packet_socket(named, kFrames, 4).ok());
    const auto lost = complete_packet_socket(named, kFrames, 1);
    REQUIRE_FALSE(lost.ok());
    CHECK_THAT(lost.error().message, Catch::Matchers::Contains("queues"));
    DeviceString one("net_af_packet0,iface=br0");
    REQUIRE(complete_packet_socket(one, kFrames, 1).ok());
    CHECK_FALSE(one.argument("qpairs"));
}

TEST_CASE("what the device string says of sizes is kept") {
    const PacketSocketRing whole = ring_of("net_af_packet0,iface=br0,framesz=2048,blocksz=4096,framecnt=512");
    CHECK_FALSE(whole.chosen);
    CHECK(whole.frame_size == 2048);
    CHECK(whole.frame_count == 512);
    CHECK(whole.snap() == 1982);  // as the kernel cuts them
    CHECK(ring_of("net_af_packet0,iface=br0,blocksz=8192").frame_size == 2048);
    CHECK(ring_of("net_af_packet0,iface=br0,framecnt=64").frame_size ==
          ring_of("net_af_packet0,iface=a").frame_size);
    CHECK(ring_of("net_af_packet0,iface=br0,framecnt=64").frame_count == 64);
}

TEST_CASE("sizes that the driver or the kernel would misread are refused with some that are right") {
    const std::string more =
        GENERATE(as<std::string>{}, "framesz=0", "framesz=x", "framesz=100", "framesz=65536", "framesz=2000",
                 "framesz=4096", "framesz=2048,blocksz=6144", "framesz=2048,blocksz=2048",
                 "framesz=2048,framecnt=511", "framecnt=10");
    DeviceString device("net_af_packet0,iface=br0," + more);
    const auto ring = complete_packet_socket(device, kFrames);
    if (more == "framesz=4096") {  // a slot for each page
        CHECK(ring.ok());
        return;
    }
    INFO(more);
    REQUIRE_FALSE(ring.ok());
    CHECK_THAT(ring.error().message,
               Catch::Matchers::Contains("framesz") || Catch::Matchers::Contains("framecnt"));
}

TEST_CASE("a packet socket without an interface is refused") {
    DeviceString device("net_af_packet0");
    const auto ring = complete_packet_socket(device, kFrames);
    REQUIRE_FALSE(ring.ok());
    CHECK_THAT(ring.error().message, Catch::Matchers::Contains("iface="));
}

TEST_CASE("a frame is whole when its IP header says where it ends and that is within") {
    const auto frame = segment(3000);
    CHECK(is_whole(frame));
    CHECK_FALSE(is_whole(base::Bytes(frame).first(frame.size() - 1)));
    CHECK_FALSE(is_whole(base::Bytes(frame).first(1982)));
    auto padded = segment(3);
    padded.resize(100);
    CHECK(is_whole(padded));

    auto without_length = segment(3000);
    without_length[16] = without_length[17] = 0;  // longer than the field can say
    CHECK_FALSE(is_whole(without_length));

    const auto ipv6 = net::PacketBuilder()
                          .ethernet()
                          .vlan(5)
                          .ipv6("2001:db8::1", "2001:db8::2")
                          .udp(1, 2)
                          .payload(std::string(2000, 'x'))
                          .build();
    CHECK(is_whole(ipv6));
    CHECK_FALSE(is_whole(base::Bytes(ipv6).first(1982)));
    CHECK_FALSE(is_whole(base::Bytes(ipv6).first(30)));

    std::vector<std::uint8_t> other(1982, 0x55);  // no IP: it cannot tell
    CHECK_FALSE(is_whole(other));
    CHECK_FALSE(is_whole({}));
}

TEST_CASE("an interface that is not there has no index, and loopback is up") {
    CHECK(interface_state("no-such-if").index == 0);
    CHECK(interface_state("a-name-that-is-too-long-for-one").index == 0);
    CHECK(interface_state("lo").index != 0);
}

TEST_CASE("a descriptor that is no packet socket has dropped nothing") {
    const int fd = socket(AF_INET, SOCK_DGRAM, 0);
    CHECK(socket_drops(fd) == 0);
    CHECK(socket_drops(-1) == 0);
    close(fd);
    CHECK(packet_sockets().empty());
}
