// SPDX-License-Identifier: BSD-3-Clause
#include "app/bench/card/flow_script.h"

#include <array>
#include <catch2/catch.hpp>
#include <string>

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
    if (read.parsed.key.proto == net::ip_proto::kTcp)
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
    std::uint64_t bytes = 0;
    for (std::uint32_t k = 0; k < 40; ++k) {
        CAPTURE(k);
        const Read one = read(script, 77, k);
        bytes += one.bytes.size();
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
    CHECK(script.bytes() == bytes);
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

}  // namespace
}  // namespace yagura::bench
