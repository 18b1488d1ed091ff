// SPDX-License-Identifier: BSD-3-Clause
#include "match/filter_words.h"

#include <algorithm>
#include <array>
#include <unordered_map>

namespace yagura::match {
namespace {

using Words = std::unordered_map<std::string_view, WordClass>;

Words make_words() {
    Words words;
    const auto add = [&words](WordClass word_class, std::initializer_list<std::string_view> list) {
        for (const std::string_view word : list) words.emplace(word, word_class);
    };
    add(WordClass::kQualifier,
        {"src",  "dst",   "host", "net",  "mask", "gateway", "ip",   "ip6", "tcp", "udp",   "sctp",
         "icmp", "icmp6", "igmp", "igrp", "pim",  "vrrp",    "carp", "ah",  "esp", "geneve"});
    add(WordClass::kNotAnAddress, {"port", "portrange", "proto", "protochain"});
    add(WordClass::kOperator, {"and", "or", "not", "len", "length", "less", "greater", "byte"});
    add(WordClass::kCast, {"broadcast", "multicast"});
    add(WordClass::kLink,
        {"link",      "ether",   "ppp",      "slip",       "fddi",       "tr",          "wlan",    "arp",
         "rarp",      "vlan",    "mpls",     "pppoed",     "pppoes",     "llc",         "lane",    "inbound",
         "outbound",  "ifindex", "radio",    "atalk",      "aarp",       "decnet",      "lat",     "sca",
         "moprc",     "mopdl",   "iso",      "esis",       "es-is",      "isis",        "is-is",   "l1",
         "l2",        "iih",     "lsp",      "snp",        "csnp",       "psnp",        "clnp",    "stp",
         "ipx",       "netbeui", "metac",    "bcc",        "oam",        "oamf4",       "oamf4ec", "oamf4sc",
         "sc",        "ilmic",   "vpi",      "vci",        "connectmsg", "metaconnect", "type",    "subtype",
         "direction", "dir",     "address1", "address2",   "address3",   "address4",    "addr1",   "addr2",
         "addr3",     "addr4",   "ra",       "ta",         "on",         "ifname",      "rset",    "ruleset",
         "rnr",       "rulenum", "srnr",     "subrulenum", "reason",     "action",      "fisu",    "lssu",
         "lsu",       "msu",     "hfisu",    "hlssu",      "hmsu",       "sio",         "opc",     "dpc",
         "sls",       "hsio",    "hopc",     "hdpc",       "hsls"});
    add(WordClass::kConstant, {"icmptype",
                               "icmpcode",
                               "icmp-echoreply",
                               "icmp-unreach",
                               "icmp-sourcequench",
                               "icmp-redirect",
                               "icmp-echo",
                               "icmp-routeradvert",
                               "icmp-routersolicit",
                               "icmp-timxceed",
                               "icmp-paramprob",
                               "icmp-tstamp",
                               "icmp-tstampreply",
                               "icmp-ireq",
                               "icmp-ireqreply",
                               "icmp-maskreq",
                               "icmp-maskreply",
                               "icmp6type",
                               "icmp6code",
                               "icmp6-destinationunreach",
                               "icmp6-packettoobig",
                               "icmp6-timeexceeded",
                               "icmp6-parameterproblem",
                               "icmp6-echo",
                               "icmp6-echoreply",
                               "icmp6-multicastlistenerquery",
                               "icmp6-multicastlistenerreportv1",
                               "icmp6-multicastlistenerdone",
                               "icmp6-routersolicit",
                               "icmp6-routeradvert",
                               "icmp6-neighborsolicit",
                               "icmp6-neighboradvert",
                               "icmp6-redirect",
                               "icmp6-routerrenum",
                               "icmp6-nodeinformationquery",
                               "icmp6-nodeinformationresponse",
                               "icmp6-ineighbordiscoverysolicit",
                               "icmp6-ineighbordiscoveryadvert",
                               "icmp6-multicastlistenerreportv2",
                               "icmp6-homeagentdiscoveryrequest",
                               "icmp6-homeagentdiscoveryreply",
                               "icmp6-mobileprefixsolicit",
                               "icmp6-mobileprefixadvert",
                               "icmp6-certpathsolicit",
                               "icmp6-certpathadvert",
                               "icmp6-multicastrouteradvert",
                               "icmp6-multicastroutersolicit",
                               "icmp6-multicastrouterterm",
                               "tcpflags",
                               "tcp-fin",
                               "tcp-syn",
                               "tcp-rst",
                               "tcp-push",
                               "tcp-ack",
                               "tcp-urg",
                               "tcp-ece",
                               "tcp-cwr"});
    return words;
}

}  // namespace

WordClass word_class(std::string_view word) {
    static const Words words = make_words();
    const auto found = words.find(word);
    return found == words.end() ? WordClass::kUnknown : found->second;
}

bool takes_a_name(std::string_view word) {
    constexpr std::array<std::string_view, 9> kWords = {"type",   "subtype", "direction", "dir",   "on",
                                                        "ifname", "rset",    "ruleset",   "reason"};
    return word == "action" || std::find(kWords.begin(), kWords.end(), word) != kWords.end();
}

}  // namespace yagura::match
