// SPDX-License-Identifier: BSD-3-Clause
#include "match/plain_filter.h"

#include <catch2/catch.hpp>
#include <string>

#include "match/tuple_space.h"

using namespace yagura;
using namespace yagura::match;

TEST_CASE("plain filters are recognised, with as many ways as they have") {
    const struct {
        const char* text;
        int ways;  ///< -1: not plain
    } rows[] = {
        {"tcp", 1},
        {"ip6", 1},
        {"ip proto 47", 1},
        {"proto 6", 1},
        {"10.0.0.1", 2},
        {"host 10.0.0.1", 2},
        {"src host 10.0.0.1", 1},
        {"dst 2001:db8::1", 1},
        {"ip host 10.0.0.1", 2},
        {"net 10.0.0.0/8", 2},
        {"src net 2001:db8::/32", 1},
        {"port 80", 2},
        {"tcp dst port 80", 1},
        {"udp portrange 10-20", 2},
        {"host 10.0.0.1 and port 80", 4},
        {"tcp and src host 10.0.0.1 && dst host 10.0.0.2 and src port 1 and dst port 2", 1},
        {"host 10.0.0.1 and host 10.0.0.2", 2},
        {"src host 10.0.0.1 and src host 10.0.0.2", 0},
        {"src net 10.0.0.0/8 and src net 10.1.0.0/16", 1},
        {"tcp and udp", 0},
        {"icmp and port 80", 0},
        {"ip6 and host 10.0.0.1", 0},
        {"", -1},
        {"not tcp", -1},
        {"(tcp)", 1},
        {"tcp or udp", 2},
        {"tcp port 80 or tcp port 443", 4},
        {"tcp or udp and src port 53", 2},
        {"tcp or (udp and src port 53)", 2},
        {"(tcp and udp) or (tcp and icmp)", 0},
        {"(host 10.0.0.1 or net 192.168.0.0/16) and (dst port 80 or dst port 443)", 8},
        {"(tcp", -1},
        {"tcp)", -1},
        {"()", -1},
        {"tcp or not udp", -1},
        {"port 80 or 443", -1},
        {"tcp or 10.0.0.1", -1},
        {"host 10.0.0.1 and 10.0.0.2", -1},
        {"tcp and 10.0.0.2", -1},
        {"src or dst port 80", -1},
        {"port http", -1},
        {"port 080", -1},
        {"port 0x50", -1},
        {"port 65536", -1},
        {"portrange 20-10", -1},
        {"proto 256", -1},
        {"ip6 proto 44", -1},
        {"ip proto \\tcp", -1},
        {"net 10.0.0.1/8", -1},
        {"net 10.0.0.0/0", -1},
        {"net 10.0.0.0/33", -1},
        {"net 10.0", -1},
        {"host 10.1", -1},
        {"host 256.0.0.1", -1},
        {"ip host 2001:db8::1", -1},
        {"ip6 host 10.0.0.1", -1},
        {"tcp host 10.0.0.1", -1},
        {"icmp port 80", -1},
        {"ip port 80", -1},
        {"tcp and", -1},
        {"tcp udp", -1},
        {"len > 5", -1},
        {"tcp[0] = 1", -1},
        {"host 10.0.0.1 and host 10.0.0.2 and port 1 and port 2 and net 10.0.0.0/8", 8},
    };
    for (const auto& row : rows) {
        INFO(row.text);
        const auto plain = parse_plain_filter(tokenize(row.text));
        CHECK((plain ? static_cast<int>(plain->ways.size()) : -1) == row.ways);
        const bool has_or = std::string(row.text).find(" or ") != std::string::npos;
        if (plain) CHECK(plain->has_or == has_or);
    }
}

TEST_CASE("a tuple space needs as many tables as there are shapes") {
    TupleSpace space;
    std::uint32_t value = 0;
    for (const char* text :
         {"src host 10.0.0.1", "src host 10.0.0.2", "dst host 10.0.0.1", "src net 10.0.0.0/8",
          "tcp src port 80", "tcp src port 81", "tcp src portrange 1-2", "tcp"}) {
        const auto ways = parse_plain_filter(tokenize(text)).value().ways;
        for (const PlainConjunction& way : ways) space.add(way, value);
        ++value;
    }
    space.seal();
    CHECK(space.table_count() == 5);
    net::FlowKey key;
    key.ip_version = 4;
    key.proto = 6;
    key.src = {10, 0, 0, 2};
    key.sport = 81;
    std::uint32_t found = 0;
    CHECK_FALSE(space.visit(fields_of_key(key), [&](std::uint32_t v) {
        found |= 1u << v;
        return false;
    }));
    CHECK(found == (1u << 1 | 1u << 3 | 1u << 5 | 1u << 7));
    int calls = 0;
    CHECK(space.visit(fields_of_key(key), [&](std::uint32_t) { return ++calls == 2; }));
    CHECK(calls == 2);
}
