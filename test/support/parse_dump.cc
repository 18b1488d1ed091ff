// SPDX-License-Identifier: BSD-3-Clause
// parse_dump CAPTURE: what net::parse() finds in each packet, as tab-separated lines with a head line. For
// comparison with other dissectors.
#include <fmt/format.h>
#include <pcap/pcap.h>

#include <cstdio>
#include <string>

#include "net/parser.h"

using namespace yagura::net;

namespace {

std::string offset_text(std::uint16_t offset) {
    return offset == kNoOffset ? "" : std::to_string(offset);
}

/// Numbers that libpcap gives for the link types that the parser knows by another.
int link_number(pcap_t* capture) {
    const int dlt = pcap_datalink(capture);
    return dlt == 12 || dlt == 14 ? 101 : dlt;
}

void print(std::uint64_t number, const ParsedPacket& p) {
    std::string vlans;
    for (std::size_t i = 0; i < p.vlan_count; ++i)
        vlans += fmt::format("{}{}", i == 0 ? "" : ",", p.vlans[i]);
    const bool flow = p.has_flow();
    fmt::print("{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\n", number,
               offset_text(p.outer_ip), offset_text(p.inner_ip), flow ? std::to_string(p.key.ip_version) : "",
               flow ? to_string(p.key.src, p.key.ip_version) : "",
               flow ? to_string(p.key.dst, p.key.ip_version) : "", flow ? std::to_string(p.key.proto) : "",
               flow ? std::to_string(p.key.sport) : "", flow ? std::to_string(p.key.dport) : "",
               offset_text(p.transport), offset_text(p.payload), p.payload_size, p.tcp_flags, vlans,
               tunnel_name(p.tunnel), p.tunnel_depth, p.tunnel_id,
               p.is_fragment ? (p.first_fragment ? "first" : "later") : "", malformed_name(p.malformed));
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        fmt::print(stderr, "usage: parse_dump CAPTURE\n");
        return 2;
    }
    char error[PCAP_ERRBUF_SIZE];
    pcap_t* const capture = pcap_open_offline(argv[1], error);
    if (capture == nullptr) {
        fmt::print(stderr, "parse_dump: {}\n", error);
        return 1;
    }
    fmt::print(
        "frame\touter_ip\tinner_ip\tip_version\tsrc\tdst\tproto\tsport\tdport\ttransport\tpayload\tpayload_"
        "size\t"
        "tcp_flags\tvlans\ttunnel\ttunnel_depth\ttunnel_id\tfragment\tmalformed\n");
    const auto link = static_cast<LinkType>(link_number(capture));
    pcap_pkthdr* header = nullptr;
    const u_char* bytes = nullptr;
    std::uint64_t number = 0;
    int result = 0;
    while ((result = pcap_next_ex(capture, &header, &bytes)) == 1) {
        print(++number, parse({bytes, header->caplen}, header->len, link));
    }
    const bool damaged = result == PCAP_ERROR;
    if (damaged) fmt::print(stderr, "parse_dump: {}\n", pcap_geterr(capture));
    pcap_close(capture);
    return damaged ? 1 : 0;
}
