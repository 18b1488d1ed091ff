// SPDX-License-Identifier: BSD-3-Clause
// key_is_exact promises that a filter that asks only for addresses, protocol and ports may be asked of the
// key instead of the packet. libpcap itself is the judge here.
#include <pcap/pcap.h>

#include <catch2/catch.hpp>
#include <memory>
#include <string>

#include "net/packet_builder.h"
#include "net/parser.h"
#include "sample_packets.h"

using namespace yagura::net;
using Frame = std::vector<std::uint8_t>;

namespace {

class Filter {
  public:
    explicit Filter(std::string text) : text_(std::move(text)) {
        pcap_t* const capture = pcap_open_dead(DLT_RAW, 65535);
        REQUIRE(pcap_compile(capture, &program_, text_.c_str(), 1, PCAP_NETMASK_UNKNOWN) == 0);
        pcap_close(capture);
    }
    ~Filter() { pcap_freecode(&program_); }
    Filter(const Filter&) = delete;
    Filter& operator=(const Filter&) = delete;

    const std::string& text() const { return text_; }
    bool matches(const std::uint8_t* packet, std::size_t size) const {
        const pcap_pkthdr header{{}, static_cast<bpf_u_int32>(size), static_cast<bpf_u_int32>(size)};
        return pcap_offline_filter(&program_, &header, packet) != 0;
    }

  private:
    std::string text_;
    bpf_program program_{};
};

std::vector<std::unique_ptr<Filter>> flow_filters() {
    std::vector<std::unique_ptr<Filter>> filters;
    for (const char* text : {"ip",
                             "ip6",
                             "tcp",
                             "udp",
                             "sctp",
                             "icmp",
                             "icmp6",
                             "host 10.0.0.1",
                             "src host 10.0.0.2",
                             "net 192.0.2.0/24",
                             "host 2001:db8::1",
                             "dst net 2001:db8::/32",
                             "port 80",
                             "src port 80",
                             "dst port 80",
                             "tcp port 80",
                             "udp src port 40000",
                             "sctp port 80",
                             "portrange 70-90",
                             "ip proto 4",
                             "ip proto 47",
                             "ip proto 51",
                             "ip6 proto 0",
                             "ip6 proto 44",
                             "ip6 proto 60",
                             "ip proto 50",
                             "ip6 proto 6",
                             "proto 17"}) {
        filters.push_back(std::make_unique<Filter>(text));
    }
    return filters;
}

/// The least packet that has this key.
Frame packet_of(const FlowKey& key) {
    PacketBuilder builder;
    if (key.ip_version == 4) {
        builder.ipv4(key.src, key.dst);
    } else {
        builder.ipv6(key.src, key.dst);
    }
    builder.next(key.proto);
    Frame packet = builder.payload(Frame(4)).build();
    std::uint8_t* const ports = packet.data() + packet.size() - 4;
    yagura::base::store_be16(ports, key.sport);
    yagura::base::store_be16(ports + 2, key.dport);
    return packet;
}

/// The first filter that says one thing of the packet and another of its key; "" if there is none.
std::string first_contradiction(const std::vector<std::unique_ptr<Filter>>& filters, const Frame& frame,
                                std::size_t size, const ParsedPacket& found) {
    const Frame of_key = packet_of(found.key);
    for (const auto& filter : filters) {
        if (filter->matches(frame.data() + found.inner_ip, size - found.inner_ip) !=
            filter->matches(of_key.data(), of_key.size())) {
            return filter->text();
        }
    }
    return "";
}

}  // namespace

TEST_CASE("an exact key answers libpcap's flow tests as its packet does, however it is cut") {
    const auto filters = flow_filters();
    for (const SamplePacket& sample : sample_packets()) {
        INFO(sample.name);
        for (std::size_t size = 1; size <= sample.frame.size(); ++size) {
            const ParsedPacket found = parse({sample.frame.data(), size}, sample.frame.size(), sample.link);
            if (!found.key_is_exact) continue;
            INFO("cut to " << size);
            REQUIRE(first_contradiction(filters, sample.frame, size, found) == "");
        }
    }
}

TEST_CASE("keys that are not exact would give wrong answers") {
    const auto filters = flow_filters();
    const Frame frames[] = {
        PacketBuilder().ethernet().ipv4(kSource4, kTarget4).authentication_header().tcp(1, 80).build(),
        PacketBuilder().ethernet().ipv6(kSource6, kTarget6).ipv6_extension(60).tcp(1, 80).build(),
        PacketBuilder().ethernet().ipv6(kSource6, kTarget6).ipv6_fragment(0, false, 1).tcp(1, 80).build(),
    };
    for (const Frame& frame : frames) {
        const ParsedPacket found = parse(frame, frame.size(), LinkType::kEthernet);
        CHECK(found.has_flow());
        CHECK_FALSE(found.key_is_exact);
        CHECK(first_contradiction(filters, frame, frame.size(), found) != "");
    }
}
