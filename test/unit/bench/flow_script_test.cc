// SPDX-License-Identifier: BSD-3-Clause
#include "app/bench/card/flow_script.h"

#include <array>
#include <catch2/catch.hpp>
#include <set>
#include <string>

#include "base/bytes.h"
#include "net/fragment.h"
#include "net/parser.h"
#include "net/protocol_numbers.h"

namespace yagura::bench {
namespace {

FlowClass web() {
    FlowClass made;
    made.key = {
        .src = {10, 64}, .dst = {198, 18, 7, 9}, .sport = 32768, .dport = 80, .proto = 6, .ip_version = 4};
    made.src_bits = 22;
    return made;
}

struct Read {
    std::vector<std::uint8_t> bytes;
    net::ParsedPacket parsed;
    std::uint32_t seq = 0;

    std::string payload() const {
        return {bytes.begin() + parsed.payload, bytes.begin() + parsed.payload + parsed.payload_size};
    }
};
Read read(const FlowScript& script, std::uint64_t n, std::uint32_t k) {
    Read read;
    read.bytes.resize(FlowScript::kLargest);
    read.bytes.resize(script.write(read.bytes.data(), n, k));
    read.parsed = net::parse(read.bytes, read.bytes.size(), net::LinkType::kEthernet);
    // A fragment but the first has none.
    if (read.parsed.key.proto == net::ip_proto::kTcp && read.parsed.transport != net::kNoOffset)
        read.seq = base::load_be32(read.bytes.data() + read.parsed.transport + 4);
    return read;
}

TEST_CASE("a TCP flow has a handshake, both sides' bytes in order, and an end") {
    FlowClass made = web();
    made.to_server = "GET /a/path/that/takes/more/than/one/small/segment HTTP/1.1";
    made.to_client = "HTTP/1.1 200 OK, and so on and on";
    const std::array<std::uint32_t, 2> sizes{64, 80};
    const FlowScript script(made, sizes, 40);
    CHECK(script.packets() == 40);
    std::array<std::uint32_t, 2> next{};
    std::array<std::string, 2> said;
    for (std::uint32_t k = 0; k < 40; ++k) {
        CAPTURE(k);
        const Read one = read(script, 77, k);
        CHECK(one.parsed.malformed == net::Malformed::kNone);
        const bool to_server = one.parsed.key == made.nth(77);
        if (!to_server) REQUIRE(one.parsed.key == made.nth(77).reversed());
        CHECK(one.seq == next[to_server]);
        const std::uint8_t flags = one.parsed.tcp_flags;
        CHECK(((flags & net::tcp_flag::kSyn) != 0) == (k < 2));
        CHECK(((flags & net::tcp_flag::kFin) != 0) == (k >= 38));
        if (k >= 2 && k < 38) CHECK(one.bytes.size() == sizes[k % 2]);
        next[to_server] += one.parsed.payload_size + (k < 2 || k >= 38 ? 1 : 0);
        said[to_server] += one.payload();
    }
    CHECK(said[1].starts_with(made.to_server));
    CHECK(said[0].starts_with(made.to_client));
    CHECK(read(script, 77, 0).parsed.key == made.nth(77));
    CHECK(read(script, 77, 1).parsed.key == made.nth(77).reversed());
}

TEST_CASE("flows of a script differ in their keys alone") {
    const std::array<std::uint32_t, 1> sizes{128};
    const FlowScript script(web(), sizes, 10);
    const Read a = read(script, 1, 4);
    const Read b = read(script, 2, 4);
    CHECK(a.parsed.key != b.parsed.key);
    CHECK(a.payload() == b.payload());
    CHECK(a.seq == b.seq);
}

TEST_CASE("other protocols, IPv6, tags") {
    const std::array<std::uint32_t, 1> sizes{200};
    struct Row {
        const char* what;
        std::uint8_t proto;
        std::uint8_t version;
        std::vector<std::uint16_t> vlans;
    };
    const Row rows[] = {
        {"udp", net::ip_proto::kUdp, 4, {}},           {"icmp", net::ip_proto::kIcmp, 4, {}},
        {"tcp over IPv6", net::ip_proto::kTcp, 6, {}}, {"icmpv6", net::ip_proto::kIcmpv6, 6, {}},
        {"tagged", net::ip_proto::kTcp, 4, {7}},       {"gre by number", 47, 4, {}},
    };
    for (const Row& row : rows) {
        CAPTURE(row.what);
        FlowClass made = web();
        made.key.proto = row.proto;
        made.key.ip_version = row.version;
        made.vlans = row.vlans;
        if (row.proto != net::ip_proto::kTcp && row.proto != net::ip_proto::kUdp)
            made.key.sport = made.key.dport = 0;
        const FlowScript script(made, sizes, 8);
        for (std::uint32_t k = 0; k < 8; ++k) {
            const Read one = read(script, 5, k);
            CHECK(one.parsed.key.canonical() == made.nth(5).canonical());
            CHECK(one.parsed.vlan_count == row.vlans.size());
        }
    }
}

TEST_CASE("a packet of the middle neither begins nor ends a flow") {
    const std::array<std::uint32_t, 3> sizes{64, 594, 1518};
    const FlowScript script(web(), sizes, 6);
    std::vector<std::uint8_t> bytes(FlowScript::kLargest);
    for (std::uint32_t k = 0; k < 12; ++k) {
        const std::uint32_t size = script.write_middle(bytes.data(), 3, k);
        CHECK(size == sizes[k / 2 % 3]);
        const auto parsed = net::parse(base::Bytes(bytes).first(size), size, net::LinkType::kEthernet);
        CHECK(parsed.tcp_flags == net::tcp_flag::kAck);
        CHECK(parsed.key == (k % 2 == 0 ? web().nth(3) : web().nth(3).reversed()));
    }
}

TEST_CASE("what a class is wrapped in stands in front of its packets, and changes nothing else") {
    struct Row {
        Wrapping wrapping;
        std::size_t on_top;
        net::Tunnel tunnel;
        std::uint8_t tags;
    };
    const Row rows[] = {
        {Wrapping::kVlan, 4, net::Tunnel::kNone, 1}, {Wrapping::kQinq, 8, net::Tunnel::kNone, 2},
        {Wrapping::kMpls, 8, net::Tunnel::kNone, 0}, {Wrapping::kVxlan, 50, net::Tunnel::kVxlan, 0},
        {Wrapping::kGre, 24, net::Tunnel::kGre, 0},  {Wrapping::kGtpU, 36, net::Tunnel::kGtpU, 0},
    };
    const std::array<std::uint32_t, 2> sizes{64, 594};
    for (const std::uint8_t version : {std::uint8_t{4}, std::uint8_t{6}}) {
        FlowClass made = web();
        made.key.ip_version = version;
        const FlowScript bare(made, sizes, 10);
        for (const Row& row : rows) {
            CAPTURE(static_cast<unsigned>(row.wrapping));
            made.wrapping = row.wrapping;
            const FlowScript wrapped(made, sizes, 10);
            CHECK(wrapped.wrapping() == row.wrapping);
            for (std::uint32_t k = 0; k < 10; ++k) {
                const Read one = read(wrapped, 5, k);
                const Read same = read(bare, 5, k);
                CHECK(one.parsed.malformed == net::Malformed::kNone);
                CHECK(one.bytes.size() == same.bytes.size() + row.on_top);
                CHECK(one.parsed.key == same.parsed.key);
                CHECK(one.payload() == same.payload());
                CHECK(one.seq == same.seq);
                CHECK(one.parsed.tunnel == row.tunnel);
                CHECK(one.parsed.vlan_count == row.tags);
            }
        }
    }
}

TEST_CASE("a fragmented flow says the same in datagrams of two fragments") {
    struct Row {
        std::uint8_t proto;
        std::uint8_t version;
        std::uint32_t fragments;  ///< of 20 packets
        std::size_t transport;    ///< bytes of the header
    };
    const Row rows[] = {{net::ip_proto::kTcp, 4, 16, 20},
                        {net::ip_proto::kTcp, 6, 16, 20},
                        {net::ip_proto::kUdp, 4, 20, 8},
                        {net::ip_proto::kUdp, 6, 20, 8}};
    const std::array<std::uint32_t, 3> sizes{64, 594, 1518};
    for (const Row& row : rows) {
        CAPTURE(row.proto, row.version);
        FlowClass made = web();
        made.key.proto = row.proto;
        made.key.ip_version = row.version;
        made.to_server = std::string(700, 'a') + "here it is";
        const FlowScript script(made, sizes, 20, true);
        REQUIRE(script.packets() == 20);
        CHECK(script.fragments() == row.fragments);
        std::string to_server;
        Read first;
        std::set<std::uint32_t> ids;
        for (std::uint32_t k = 0; k < 20; ++k) {
            CAPTURE(k);
            const Read one = read(script, 7, k);
            CHECK(one.parsed.malformed == net::Malformed::kNone);
            CHECK(one.parsed.is_fragment == script.is_fragment(k));
            CHECK(script.is_followed(k) == (one.parsed.is_fragment && one.parsed.first_fragment));
            if (!one.parsed.is_fragment) continue;
            if (one.parsed.first_fragment) {
                first = one;
                CHECK(one.parsed.key.canonical() == made.nth(7).canonical());
                CHECK(ids.insert(one.parsed.fragment_id).second);
            } else {
                CHECK(one.parsed.fragment_id == first.parsed.fragment_id);
                CHECK(one.parsed.key.src == first.parsed.key.src);
                CHECK(one.parsed.key.dst == first.parsed.key.dst);
                const auto begin = net::read_fragment(first.bytes, first.parsed);
                const auto rest = net::read_fragment(one.bytes, one.parsed);
                REQUIRE((begin && rest));
                CHECK(rest->offset == begin->data.size());
                CHECK(begin->data.size() == row.transport + first.payload().size());
                if (row.proto == net::ip_proto::kUdp)
                    CHECK(base::load_be16(begin->data.data() + 4) == begin->data.size() + rest->data.size());
                if (first.parsed.key == made.nth(7)) {
                    to_server += first.payload();
                    to_server.append(rest->data.begin(), rest->data.end());
                }
            }
        }
        CHECK(to_server.starts_with(made.to_server));
        CHECK(read(script, 8, 4).parsed.fragment_id != read(script, 7, 4).parsed.fragment_id);
    }
}

}  // namespace
}  // namespace yagura::bench
