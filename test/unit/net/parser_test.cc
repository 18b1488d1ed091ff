// SPDX-License-Identifier: BSD-3-Clause
#include "net/parser.h"

#include <catch2/catch.hpp>
#include <cstring>
#include <memory>
#include <set>

#include "net/packet_builder.h"
#include "sample_packets.h"

using namespace yagura::net;
using yagura::base::Bytes;

namespace {

IpAddress address(const char* text) {
    return parse_address(text)->address;
}

/// Where `needle` begins in the frame.
std::size_t find(const std::vector<std::uint8_t>& frame, const char* needle) {
    const void* at = memmem(frame.data(), frame.size(), needle, std::strlen(needle));
    REQUIRE(at != nullptr);
    return static_cast<std::size_t>(static_cast<const std::uint8_t*>(at) - frame.data());
}

}  // namespace

TEST_CASE("every well-formed shape is seen through to its innermost flow") {
    for (const SamplePacket& sample : sample_packets()) {
        INFO(sample.name);
        const ParsedPacket found = parse(sample.frame, sample.frame.size(), sample.link);
        CHECK(malformed_name(found.malformed) == "none");
        CHECK(found.outer_ip == sample.outer_ip);
        CHECK(found.inner_ip == sample.inner_ip);
        CHECK(std::vector<std::uint16_t>(found.vlans.begin(), found.vlans.begin() + found.vlan_count) ==
              sample.vlans);
        CHECK(found.tunnel == sample.tunnel);
        CHECK(found.tunnel_depth == sample.tunnel_depth);
        CHECK(found.tunnel_id == sample.tunnel_id);
        CHECK_FALSE(found.is_fragment);
        CHECK(found.key.ip_version == sample.ip_version);
        if (sample.ip_version == 0) {
            CHECK(found.key == FlowKey{});
            CHECK(found.payload == kNoOffset);
            CHECK(found.payload_size == 0);
            continue;
        }
        CHECK(found.key.src == address(sample.ip_version == 4 ? kSource4 : kSource6));
        CHECK(found.key.dst == address(sample.ip_version == 4 ? kTarget4 : kTarget6));
        CHECK(int{found.key.proto} == int{sample.proto});
        CHECK(found.key.sport == (sample.has_ports ? kSourcePort : 0));
        CHECK(found.key.dport == (sample.has_ports ? kTargetPort : 0));
        CHECK(found.key_is_exact == sample.exact);
        CHECK(found.payload == find(sample.frame, kPayload));
        CHECK(found.payload_size == std::strlen(kPayload));
        CHECK(int{found.tcp_flags} == (sample.proto == 6 ? int{tcp_flag::kAck} : 0));
        CHECK((found.transport == kNoOffset) ==
              (sample.proto == 50 || sample.proto == 59 || sample.proto == 89));
    }
}

// The buffer has exactly the prefix's size, so that AddressSanitizer sees any read beyond it.
TEST_CASE("no prefix of a packet is read beyond its end, and none makes up a place outside it") {
    for (const SamplePacket& sample : sample_packets()) {
        INFO(sample.name);
        for (std::size_t size = 0; size <= sample.frame.size(); ++size) {
            INFO("cut to " << size);
            const auto exact = std::make_unique<std::uint8_t[]>(size);
            std::copy_n(sample.frame.begin(), size, exact.get());
            for (const std::size_t wire : {size, sample.frame.size()}) {
                const ParsedPacket found = parse({exact.get(), size}, wire, sample.link);
                if (found.outer_ip != kNoOffset) REQUIRE(found.outer_ip < size);
                if (found.inner_ip != kNoOffset) REQUIRE(found.inner_ip < size);
                if (found.transport != kNoOffset) REQUIRE(found.transport < size);
                if (found.payload != kNoOffset) {
                    REQUIRE(found.payload + found.payload_size <= size);
                } else {
                    REQUIRE(found.payload_size == 0);
                }
                // Cut by a snap length, a packet is malformed only where a header is cut.
                if (wire != size && found.malformed != Malformed::kNone) {
                    const std::set<Malformed> cut = {Malformed::kTruncatedLink, Malformed::kTruncatedIp,
                                                     Malformed::kTruncatedTransport,
                                                     Malformed::kTruncatedTunnel};
                    INFO(malformed_name(found.malformed));
                    REQUIRE(cut.count(found.malformed) == 1);
                }
            }
        }
    }
}

TEST_CASE("a tag in front moves all offsets by four and changes nothing else") {
    for (const SamplePacket& sample : sample_packets()) {
        if (sample.link != LinkType::kEthernet || sample.frame.size() < 14 ||
            sample.vlans.size() == kMaxVlans)
            continue;
        INFO(sample.name);
        std::vector<std::uint8_t> tagged = sample.frame;
        const std::uint8_t tag[] = {0x81, 0x00, 0x00, 0x63};
        tagged.insert(tagged.begin() + 12, std::begin(tag), std::end(tag));
        const ParsedPacket plain = parse(sample.frame, sample.frame.size(), sample.link);
        const ParsedPacket moved = parse(tagged, tagged.size(), sample.link);
        const auto by_four = [](std::uint16_t offset) {
            return offset == kNoOffset ? kNoOffset : offset + 4;
        };
        CHECK(moved.key == plain.key);
        CHECK(moved.outer_ip == by_four(plain.outer_ip));
        CHECK(moved.inner_ip == by_four(plain.inner_ip));
        CHECK(moved.transport == by_four(plain.transport));
        CHECK(moved.payload == by_four(plain.payload));
        CHECK(moved.payload_size == plain.payload_size);
        CHECK(moved.tcp_flags == plain.tcp_flags);
        CHECK(moved.key_is_exact == plain.key_is_exact);
        CHECK(moved.tunnel == plain.tunnel);
        CHECK(moved.vlan_count == plain.vlan_count + 1);
        CHECK(moved.vlans[0] == 0x63);
    }
}

TEST_CASE("every reason and every tunnel has a name of its own") {
    std::set<std::string_view> names;
    for (int reason = 0; reason < static_cast<int>(Malformed::kCount); ++reason) {
        const std::string_view name = malformed_name(static_cast<Malformed>(reason));
        CHECK_FALSE(name.empty());
        CHECK(names.insert(name).second);
    }
    CHECK(tunnel_name(Tunnel::kNone).empty());
    CHECK(tunnel_name(Tunnel::kErspan1) == "erspan");
    CHECK(tunnel_name(Tunnel::kErspan2) == "erspan");
    CHECK(tunnel_name(Tunnel::kGtpU) == "gtp-u");
}
