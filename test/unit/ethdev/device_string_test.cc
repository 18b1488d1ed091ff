// SPDX-License-Identifier: BSD-3-Clause
#include "drivers/ethdev/device_string.h"

#include <catch2/catch.hpp>

using namespace yagura::ethdev;

TEST_CASE("a device's kind is that of its driver") {
    struct Row {
        const char* text;
        DeviceKind kind;
    };
    const auto row = GENERATE(
        Row{"0000:3b:00.1", DeviceKind::kPci}, Row{"3b:00.1,rx_vec=1", DeviceKind::kPci},
        Row{"net_af_packet0,iface=a", DeviceKind::kAfPacket},
        Row{"eth_af_packet7,iface=a", DeviceKind::kAfPacket}, Row{"net_af_xdp0,iface=a", DeviceKind::kAfXdp},
        Row{"net_tap0", DeviceKind::kTap}, Row{"net_vhost0,iface=/run/s", DeviceKind::kVhost},
        Row{"net_virtio_user0,path=/run/s", DeviceKind::kVirtioUser},
        Row{"net_memif,role=client", DeviceKind::kMemory}, Row{"net_ring0", DeviceKind::kMemory},
        Row{"net_pcap0,rx_pcap=f", DeviceKind::kMemory}, Row{"net_bonding0,mode=1", DeviceKind::kOther},
        Row{"crypto_af_packet", DeviceKind::kOther},
        Row{"net_nothing0,addr=0000:3b:00.1", DeviceKind::kOther}, Row{"", DeviceKind::kOther});
    INFO(row.text);
    CHECK(DeviceString(row.text).kind() == row.kind);
    CHECK(DeviceString(row.text).to_string() == row.text);
}

TEST_CASE("arguments are found by name, and numbers are whole ones above 0") {
    DeviceString device("net_x0,iface=br0,framesz=2048,qpairs=0,blocksz=4k,bare,framesz=1");
    CHECK(device.name() == "net_x0");
    CHECK(device.argument("iface") == "br0");
    CHECK(device.argument("bare") == "");
    CHECK_FALSE(device.argument("face"));
    CHECK(device.number("framesz") == 2048);
    CHECK_FALSE(device.number("qpairs"));
    CHECK_FALSE(device.number("blocksz"));
    CHECK_FALSE(device.number("iface"));
    device.add("framecnt", 32);
    CHECK(device.to_string() ==
          "net_x0,iface=br0,framesz=2048,qpairs=0,blocksz=4k,bare,framesz=1,framecnt=32");
}
