// SPDX-License-Identifier: BSD-3-Clause
#include "match/filter_text.h"

#include <catch2/catch.hpp>
#include <string>

using namespace yagura::match;
using yagura::rules::Layer;

TEST_CASE("tokens have libpcap's classes") {
    const struct {
        std::string text;
        std::vector<TokenKind> kinds;
    } rows[] = {
        {"tcp port 80", {TokenKind::kWord, TokenKind::kWord, TokenKind::kNumber}},
        {"host 10.0.0.1", {TokenKind::kWord, TokenKind::kAddress4}},
        {"net 10.1", {TokenKind::kWord, TokenKind::kAddress4}},
        {"ip6 host 2001:db8::1", {TokenKind::kWord, TokenKind::kWord, TokenKind::kAddress6}},
        {"host ::", {TokenKind::kWord, TokenKind::kAddress6}},
        {"host ::ffff:10.0.0.1", {TokenKind::kWord, TokenKind::kAddress6}},
        {"ether host 0:1:2:a:b:c", {TokenKind::kWord, TokenKind::kWord, TokenKind::kMac}},
        {"ether host 00-01-02-0a-0b-0c", {TokenKind::kWord, TokenKind::kWord, TokenKind::kMac}},
        {"ether host 0001.020a.0b0c", {TokenKind::kWord, TokenKind::kWord, TokenKind::kMac}},
        {"portrange 1-2", {TokenKind::kWord, TokenKind::kWord}},
        {"ip proto \\tcp", {TokenKind::kWord, TokenKind::kWord, TokenKind::kEscaped}},
        {"ip[6:2]&0x1fff!=0",
         {TokenKind::kWord, TokenKind::kSymbol, TokenKind::kNumber, TokenKind::kSymbol, TokenKind::kNumber,
          TokenKind::kSymbol, TokenKind::kSymbol, TokenKind::kNumber, TokenKind::kSymbol,
          TokenKind::kNumber}},
        {"tcp\"", {TokenKind::kWord, TokenKind::kJunk}},
        {"1:2:3", {TokenKind::kJunk}},
    };
    for (const auto& row : rows) {
        INFO(row.text);
        std::vector<TokenKind> kinds;
        for (const Token& token : tokenize(row.text)) kinds.push_back(token.kind);
        CHECK(kinds == row.kinds);
    }
}

TEST_CASE("link-layer words choose the frame") {
    const struct {
        const char* text;
        const char* word;  ///< "": none
    } rows[] = {
        {"tcp port 80", ""},
        {"ether host 1:2:3:4:5:6", "ether"},
        {"tcp and vlan 5", "vlan"},
        {"not arp", "arp"},
        {"mpls", "mpls"},
        {"pppoes 3", "pppoes"},
        {"broadcast", "broadcast"},
        {"ip broadcast", ""},
        {"ip multicast", ""},
        {"ip6 multicast", ""},
        {"ip or multicast", "multicast"},
        {"ip proto \\arp", ""},
        {"inbound and tcp", "inbound"},
        {"wlan host 1:2:3:4:5:6", "wlan"},
        {"port http", ""},
    };
    for (const auto& row : rows) {
        INFO(row.text);
        const auto tokens = tokenize(row.text);
        CHECK(link_layer_word(tokens) == row.word);
        const bool link = row.word[0] != '\0';
        CHECK(choose_layer(tokens, {}).value() == (link ? Layer::kFrame : Layer::kInner));
        CHECK(choose_layer(tokens, Layer::kFrame).value() == Layer::kFrame);
        CHECK(choose_layer(tokens, Layer::kOuter).ok() != link);
        CHECK(choose_layer(tokens, Layer::kInner).ok() != link);
    }
    const auto conflict = choose_layer(tokenize("tcp and vlan"), Layer::kInner);
    CHECK(conflict.error().message.find("\"vlan\"") != std::string::npos);
}

TEST_CASE("names that would be looked up are found, local names are not") {
    const struct {
        const char* text;
        const char* name;  ///< "": none
    } rows[] = {
        {"host 10.0.0.1", ""},
        {"host example.org", "example.org"},
        {"src www and tcp", "www"},
        {"net corp", "corp"},
        {"example", "example"},
        {"host \\tcp", "tcp"},
        {"port http", ""},
        {"port http or https", ""},
        {"port http or host www", "www"},
        {"port http or src www", "www"},
        {"host 10.0.0.1 or www", "www"},
        {"tcp src port http and dst host 10.0.0.1", ""},
        {"ip proto \\tcp", ""},
        {"proto ospf", ""},
        {"portrange 10-20", ""},
        {"tcp[tcpflags] & (tcp-syn|tcp-fin) != 0", ""},
        {"icmp[icmptype] = icmp-echo", ""},
        {"icmp6[icmp6type] = icmp6-echo", ""},
        {"ether host 1:2:3:4:5:6", ""},
        {"ether host myhost", "myhost"},
        {"type mgt subtype beacon", ""},
        {"geneve and port domain", ""},
        {"len > 100 and less 200", ""},
        {"TCP", "TCP"},
    };
    for (const auto& row : rows) {
        INFO(row.text);
        CHECK(name_to_resolve(tokenize(row.text)) == row.name);
    }
}
