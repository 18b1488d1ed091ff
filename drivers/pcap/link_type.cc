// SPDX-License-Identifier: BSD-3-Clause
#include "drivers/pcap/link_type.h"

#include <fmt/format.h>

#include <string_view>

namespace yagura::pcap {
namespace {

using net::LinkType;

struct Supported {
    std::uint16_t number;
    LinkType type;
    std::string_view name;
};
constexpr Supported kSupported[] = {
    {0, LinkType::kNull, "BSD null"},
    {1, LinkType::kEthernet, "Ethernet"},
    {12, LinkType::kRaw, "raw IP"},
    {14, LinkType::kRaw, "raw IP"},
    {101, LinkType::kRaw, "raw IP"},
    {108, LinkType::kLoop, "OpenBSD loopback"},
    {113, LinkType::kLinuxSll, "Linux cooked v1"},
    {228, LinkType::kIpv4, "raw IPv4"},
    {229, LinkType::kIpv6, "raw IPv6"},
    {276, LinkType::kLinuxSll2, "Linux cooked v2"},
};

struct Name {
    std::uint16_t number;
    std::string_view name;
};
/// Not read, but met often enough that the number alone would send the user to a search engine.
constexpr Name kUnsupported[] = {
    {3, "AX25"},
    {6, "IEEE802_5"},
    {8, "SLIP"},
    {9, "PPP"},
    {10, "FDDI"},
    {50, "PPP_HDLC"},
    {51, "PPP_ETHER"},
    {100, "ATM_RFC1483"},
    {104, "C_HDLC"},
    {105, "IEEE802_11"},
    {107, "FRELAY"},
    {117, "PFLOG"},
    {119, "IEEE802_11_PRISM"},
    {122, "IP_OVER_FC"},
    {123, "SUNATM"},
    {127, "IEEE802_11_RADIOTAP"},
    {139, "MTP2_WITH_PHDR"},
    {140, "MTP2"},
    {141, "MTP3"},
    {143, "DOCSIS"},
    {163, "IEEE802_11_AVS"},
    {166, "PPP_PPPD"},
    {187, "BLUETOOTH_HCI_H4"},
    {189, "USB_LINUX"},
    {192, "PPI"},
    {195, "IEEE802_15_4_WITHFCS"},
    {197, "ERF"},
    {201, "BLUETOOTH_HCI_H4_WITH_PHDR"},
    {220, "USB_LINUX_MMAPPED"},
    {227, "CAN_SOCKETCAN"},
    {230, "IEEE802_15_4_NOFCS"},
    {239, "NFLOG"},
    {249, "USBPCAP"},
    {251, "BLUETOOTH_LE_LL"},
    {252, "WIRESHARK_UPPER_PDU"},
    {253, "NETLINK"},
    {258, "PKTAP"},
};

}  // namespace

std::optional<LinkType> supported_link_type(std::uint16_t number) {
    for (const Supported& s : kSupported) {
        if (s.number == number) return s.type;
    }
    return std::nullopt;
}

std::string describe_link_type(std::uint16_t number) {
    for (const Supported& s : kSupported) {
        if (s.number == number) return fmt::format("{} ({})", s.name, number);
    }
    for (const Name& n : kUnsupported) {
        if (n.number == number) return fmt::format("{} ({})", n.name, number);
    }
    if (number >= 147 && number <= 162) return fmt::format("USER{} ({})", number - 147, number);
    return fmt::format("link type {}", number);
}

std::string supported_link_types() {
    std::string text;
    for (const Supported& s : kSupported) {
        if (!text.empty()) text += ", ";
        text += fmt::format("{} ({})", s.name, s.number);
    }
    return text;
}

}  // namespace yagura::pcap
