// SPDX-License-Identifier: BSD-3-Clause
// parse() takes short ways through plain packets. Whatever the frame, it must find what LayerWalker finds,
// which knows none.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "net/layer_walker.h"
#include "net/packet_builder.h"
#include "net/parser.h"
#include "net/protocol_numbers.h"
#include "sample_packets.h"

using namespace yagura::net;
using Frame = std::vector<std::uint8_t>;

namespace {

/// What a packet of another kind leaves behind: no member has the value that it begins with.
ParsedPacket leftovers() {
    ParsedPacket p;
    std::memset(static_cast<void*>(&p), 0x5a, sizeof p);
    p.is_fragment = p.first_fragment = p.key_is_exact = true;
    return p;
}

/// Both on a copy of exactly the frame's size, so that AddressSanitizer sees any read beyond it. Counted and
/// not checked one by one: Catch2 would take the time.
bool agree(const std::uint8_t* frame, std::size_t size, std::size_t wire_length) {
    const auto exact = std::make_unique<std::uint8_t[]>(size);
    std::copy_n(frame, size, exact.get());
    ParsedPacket reference;
    LayerWalker({exact.get(), size}, wire_length, reference).walk(LinkType::kEthernet);
    ParsedPacket found = leftovers();
    parse({exact.get(), size}, wire_length, LinkType::kEthernet, found);
    if (!reference.is_fragment) found.fragment_id = reference.fragment_id;
    return found == reference && parse({exact.get(), size}, wire_length, LinkType::kEthernet) == reference;
}

struct Row {
    std::string name;
    Frame frame;
};

/// The shapes that have a short way, and their nearest neighbours that have none.
std::vector<Row> rows() {
    std::vector<Row> rows;
    for (int tags = 0; tags <= 3; ++tags) {
        for (const bool v6 : {false, true}) {
            for (const bool udp : {false, true}) {
                for (const std::size_t payload : {0, 1, 5, 6, 17, 18, 100}) {
                    PacketBuilder b;
                    b.ethernet();
                    for (int tag = 0; tag < tags; ++tag)
                        b.vlan(static_cast<std::uint16_t>(7 + tag), tag % 2 == 0 ? 0x88a8 : 0x8100, 5);
                    if (v6) {
                        b.ipv6("2001:db8::1", "2001:db8::2");
                    } else {
                        b.ipv4("10.0.0.1", "10.0.0.2");
                    }
                    if (udp) {
                        b.udp(4000, 53);
                    } else {
                        b.tcp(40000, 80);
                    }
                    Frame frame = b.payload(std::string(payload, 'y')).build();
                    if (frame.size() < 60) frame.resize(60);  // Ethernet's padding
                    rows.push_back({std::to_string(tags) + (v6 ? " tags, IPv6 " : " tags, IPv4 ") +
                                        (udp ? "UDP, " : "TCP, ") + std::to_string(payload) + " bytes",
                                    std::move(frame)});
                }
            }
        }
    }
    for (const std::uint16_t port : {udp_port::kVxlan, udp_port::kVxlanLinux}) {
        for (const int tags : {0, 1}) {
            for (const bool udp : {false, true}) {
                PacketBuilder b;
                b.ethernet().ipv4("198.51.100.1", "198.51.100.2").udp(50000, port).vxlan(0xabcdef).ethernet();
                if (tags == 1) b.vlan(9);
                b.ipv4("10.0.0.1", "10.0.0.2");
                if (udp) {
                    b.udp(4000, 53);
                } else {
                    b.tcp(40000, 80);
                }
                rows.push_back({"VXLAN", b.payload("0123456789").build()});
            }
        }
    }
    for (const SamplePacket& sample : sample_packets()) {
        if (sample.link == LinkType::kEthernet) rows.push_back({sample.name, sample.frame});
    }
    return rows;
}

}  // namespace

TEST_CASE("the short ways find what the walker finds, however a frame is cut or padded") {
    for (const Row& row : rows()) {
        INFO(row.name);
        std::size_t differ = 0;
        Frame padded = row.frame;
        padded.resize(padded.size() + 30);
        for (std::size_t size = 0; size <= padded.size(); ++size) {
            // As it was on the wire; cut by a snap length; longer on the wire than anything in it says.
            for (const std::size_t wire : {size, std::max(size, row.frame.size()), padded.size() + 100})
                differ += agree(padded.data(), size, wire) ? 0 : 1;
            // A wire length that cannot be.
            differ += agree(padded.data(), size, size / 2) ? 0 : 1;
        }
        CHECK(differ == 0);
    }
}

TEST_CASE("the short ways find what the walker finds, whatever a header's byte says") {
    for (const Row& row : rows()) {
        INFO(row.name);
        Frame frame = row.frame;
        std::size_t differ = 0;
        for (std::size_t at = 12; at < std::min<std::size_t>(frame.size(), 120); ++at) {
            const std::uint8_t was = frame[at];
            for (unsigned value = 0; value < 256; ++value) {
                frame[at] = static_cast<std::uint8_t>(value);
                differ += agree(frame.data(), frame.size(), frame.size()) ? 0 : 1;
            }
            frame[at] = was;
        }
        CHECK(differ == 0);
    }
}
