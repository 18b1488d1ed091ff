// SPDX-License-Identifier: BSD-3-Clause
#include "drivers/ethdev/open_advice.h"

#include <catch2/catch.hpp>
#include <string>

using namespace yagura::ethdev;

TEST_CASE("a device whose frames do not fit a buffer is refused") {
    struct Row {
        const char* text;
        bool refused;
    };
    const auto row =
        GENERATE(Row{"net_null0", false}, Row{"net_null0,size=64", false}, Row{"net_null0,size=2048", false},
                 Row{"net_null0,size=2049", true}, Row{"eth_null0,copy=1,size=100000", true},
                 Row{"net_null0,size=0x900", true}, Row{"net_pcap0,size=100000", false});
    INFO(row.text);
    const std::string refusal = refusal_of(DeviceString(row.text), 2048);
    CHECK(!refusal.empty() == row.refused);
    if (row.refused) CHECK(refusal.find("write size=2048 or less") != std::string::npos);
}

TEST_CASE("of a device that cannot be opened it is said what its string names wrongly") {
    struct Row {
        const char* text;
        const char* words;
    };
    const auto row =
        GENERATE(Row{"net_nonsense0", "net_af_packet"}, Row{"br0", "net_af_packet"},
                 Row{"0000:3b:00.1", "yagura doctor"},
                 Row{"net_pcap0,rx_pcap=/nonexistent/f.pcap",
                     "rx_pcap=/nonexistent/f.pcap: No such file or directory"},
                 Row{"net_pcap0", "write rx_pcap=FILE"}, Row{"net_vhost0", "write iface="},
                 Row{"net_vhost0,iface=/nonexistent/s", "in /nonexistent/: No such file or directory"});
    INFO(row.text);
    const std::string advice = open_advice(DeviceString(row.text));
    INFO(advice);
    CHECK(advice.starts_with("; "));
    CHECK(advice.find(row.words) != std::string::npos);
}

TEST_CASE("of a device in whose string nothing is seen nothing is said") {
    for (const char* const text : {"net_null0", "net_ring0", "net_tap0", "net_vhost0,iface=/tmp/yagura.sock",
                                   "net_pcap0,rx_pcap=/dev/null"}) {
        INFO(text);
        CHECK(open_advice(DeviceString(text)).empty());
    }
}
