// SPDX-License-Identifier: BSD-3-Clause
#include "match/compiled_rules.h"

#include <catch2/catch.hpp>

#include "net/packet_builder.h"
#include "rule_builders.h"

using namespace yagura;
using namespace yagura::match;
using namespace yagura::test;
using net::PacketBuilder;
using rules::Layer;
using rules::Scope;

namespace {

std::shared_ptr<const CompiledRules> compiled(const std::vector<rules::Rule>& rules,
                                              net::LinkType link_type = net::LinkType::kEthernet) {
    CompiledRules::Outcome outcome = CompiledRules::compile(rules, link_type);
    for (const CompileError& error : outcome.errors) {
        FAIL(rules[error.rule].filter << ": " << error.place << ": " << error.reason);
    }
    return outcome.rules;
}

rules::Rule on_layer(Layer layer, std::string filter, Scope scope = Scope::kPacket) {
    rules::Rule rule = filter_rule(std::move(filter), scope);
    rule.layer = layer;
    return rule;
}

Found packet_rules(const CompiledRules& rules, const Sample& sample) {
    return found(
        rules.packet_rules(sample.view(), static_cast<RuleIndex>(rules.size()), *rules.make_scratch()));
}
Found flow_rules(const CompiledRules& rules, const Sample& sample) {
    return found(rules.flow_rules(sample.parsed.key, *rules.make_scratch()));
}

const Sample kWeb(
    PacketBuilder().ethernet().ipv4("10.0.0.1", "10.0.0.2").tcp(40000, 80).payload("GET /").build());
const Sample kReply(
    PacketBuilder().ethernet().ipv4("10.0.0.2", "10.0.0.1").tcp(80, 40000).payload("200").build());
const Sample kTagged(
    PacketBuilder().ethernet().vlan(5).vlan(7).ipv4("10.0.0.1", "10.0.0.2").tcp(40000, 80).build());
const Sample kTunnel(PacketBuilder()
                         .ethernet()
                         .ipv4("192.0.2.1", "192.0.2.2")
                         .udp(5000, 4789)
                         .vxlan(9)
                         .ethernet()
                         .ipv4("10.0.0.1", "10.0.0.2")
                         .tcp(40000, 80)
                         .build());
const Sample kArp(PacketBuilder().ethernet().arp().build());
const Sample kFragment(PacketBuilder()
                           .ethernet()
                           .ipv4("10.0.0.1", "10.0.0.2")
                           .fragment(1480, false, 7)
                           .next(6)
                           .payload("tail")
                           .build());

}  // namespace

TEST_CASE("a filter is asked of its layer, and of the frame when there is no IP") {
    const struct {
        Layer layer;
        const char* filter;
        bool web, tagged, tunnel, arp, fragment;
    } rows[] = {
        {Layer::kInner, "tcp", true, true, true, false, true},
        {Layer::kOuter, "tcp", true, true, false, false, true},
        {Layer::kFrame, "tcp", true, false, false, false, true},
        {Layer::kInner, "tcp port 80", true, true, true, false, false},
        {Layer::kOuter, "tcp port 80", true, true, false, false, false},
        {Layer::kFrame, "tcp port 80", true, false, false, false, false},
        {Layer::kInner, "not tcp", false, false, false, true, false},
        {Layer::kOuter, "not tcp", false, false, true, true, false},
        {Layer::kFrame, "not tcp", false, true, true, true, false},
        {Layer::kInner, "host 10.0.0.1 or host 192.0.2.1", true, true, true, true, true},
        {Layer::kOuter, "host 192.0.2.1", false, false, true, false, false},
        {Layer::kInner, "host 192.0.2.1", false, false, false, false, false},
        {Layer::kFrame, "vlan 5", false, true, false, false, false},
        {Layer::kFrame, "vlan and tcp", false, false, false, false, false},
        {Layer::kFrame, "vlan 5 and vlan 7 and tcp", false, true, false, false, false},
        {Layer::kFrame, "arp", false, false, false, true, false},
        {Layer::kInner, "ip[6:2] & 0x1fff != 0", false, false, false, false, true},
        {Layer::kInner, "tcp[0:2] = 40000", true, true, true, false, false},
        {Layer::kOuter, "udp dst port 4789", false, false, true, false, false},
        {Layer::kInner, "len > 90", false, false, true, false, false},
        {Layer::kFrame, "ether[12:2] = 0x0800", true, false, true, false, true},
    };
    for (const auto& row : rows) {
        INFO(row.filter << " on layer " << static_cast<int>(row.layer));
        const auto rules = compiled({on_layer(row.layer, row.filter)});
        const auto asked = [&](const Sample& sample) { return !packet_rules(*rules, sample).empty(); };
        CHECK(asked(kWeb) == row.web);
        CHECK(asked(kTagged) == row.tagged);
        CHECK(asked(kTunnel) == row.tunnel);
        CHECK(asked(kArp) == row.arp);
        CHECK(asked(kFragment) == row.fragment);
    }
}

TEST_CASE("rules are asked as flow, packet or payload rules") {
    rules::Rule malformed = filter_rule("tcp");
    malformed.malformed = true;
    const std::vector<rules::Rule> rules = {
        filter_rule("tcp port 80"),                      // 0 flow
        filter_rule("tcp port 80", Scope::kPacket),      // 1 packet
        filter_rule("tcp[tcpflags] & tcp-ack != 0"),     // 2 packet
        filter_rule(""),                                 // 3 flow
        filter_rule("", Scope::kPacket),                 // 4 packet
        on_layer(Layer::kOuter, "tcp", Scope::kOnward),  // 5 packet
        malformed,                                       // 6 packet
        payload_rule("tcp", {literal("GET")}),           // 7 payload
        filter_rule("not udp", Scope::kOnward),          // 8 flow
    };
    const CompiledRules::Outcome outcome = CompiledRules::compile(rules, net::LinkType::kEthernet);
    REQUIRE(outcome.rules);
    CHECK(flow_rules(*outcome.rules, kWeb) == Found{0, 3, 8});
    CHECK(packet_rules(*outcome.rules, kWeb) == Found{1, 2, 4, 5});
    CHECK(packet_rules(*outcome.rules, kArp) == Found{3, 4, 8});
    CHECK(outcome.rules->first_packet_rule() == 1);
    CHECK(outcome.rules->first_payload_rule() == 7);
    CHECK(outcome.rules->size() == 9);
    const bool per_flow[] = {true, false, false, true, false, false, false, true, true};
    for (std::size_t i = 0; i < rules.size(); ++i) {
        INFO(i);
        CHECK(outcome.summaries[i].per_flow == per_flow[i]);
        CHECK(outcome.summaries[i].warnings.size() == (i == 2 || i == 6 ? 1 : 0));
    }
    const auto without = compiled({filter_rule("tcp")});
    CHECK(without->first_packet_rule() == 1);
    CHECK(without->first_payload_rule() == 1);
}

TEST_CASE("a flow satisfies a rule when a packet of either direction does") {
    const auto rules =
        compiled({filter_rule("src host 10.0.0.1"), filter_rule("dst port 80"),
                  filter_rule("src host 10.0.0.1 and src port 80"), filter_rule("not src host 10.0.0.1"),
                  filter_rule("not host 10.0.0.1"), filter_rule("src host 10.0.0.1 or src host 10.0.0.9")});
    CHECK(flow_rules(*rules, kWeb) == Found{0, 1, 3, 5});
    CHECK(flow_rules(*rules, kReply) == Found{0, 1, 3, 5});
}

TEST_CASE("rules at or above the limit are not reported") {
    const auto rules = compiled({filter_rule("tcp", Scope::kPacket), filter_rule("not udp", Scope::kPacket),
                                 filter_rule("", Scope::kPacket), filter_rule("ip", Scope::kPacket),
                                 payload_rule("", {literal("GET")}), payload_rule("", {literal("GET")})});
    const MatchScratchPtr scratch = rules->make_scratch();
    CHECK(found(rules->packet_rules(kWeb.view(), 6, *scratch)) == Found{0, 1, 2, 3});
    CHECK(found(rules->packet_rules(kWeb.view(), 3, *scratch)) == Found{0, 1, 2});
    CHECK(found(rules->packet_rules(kWeb.view(), 1, *scratch)) == Found{0});
    CHECK(found(rules->packet_rules(kWeb.view(), 0, *scratch)) == Found{});
    CHECK(found(rules->payload_rules(kWeb.view(), kWeb.payload(), 6, *scratch)) == Found{4, 5});
    CHECK(found(rules->payload_rules(kWeb.view(), kWeb.payload(), 5, *scratch)) == Found{4});
}

TEST_CASE("malformed selects by what the parser found, together with the filter") {
    std::vector<rules::Rule> rules = {filter_rule(""), filter_rule("tcp"), filter_rule(""),
                                      filter_rule("not udp")};
    rules[0].malformed = rules[1].malformed = true;
    rules[2].malformed = rules[3].malformed = false;
    const auto all = compiled(rules);
    CHECK(packet_rules(*all, kWeb) == Found{2, 3});
    auto cut = kWeb.frame;
    cut.resize(14 + 20 + 6);
    const Sample broken(cut);
    REQUIRE(broken.parsed.malformed != net::Malformed::kNone);
    CHECK(packet_rules(*all, broken) == Found{0, 1});
    CHECK(flow_rules(*all, kWeb) == Found{});
}

TEST_CASE("len is the length on the wire, bytes are those that were captured") {
    const auto rules =
        compiled({filter_rule("len = 1500"), filter_rule("ip[40] = 0x47"), filter_rule("len < 100")});
    CHECK(packet_rules(*rules, Sample(kWeb.frame, 1500)) == Found{0, 1});
    auto cut = kWeb.frame;
    cut.resize(54);
    CHECK(packet_rules(*rules, Sample(cut, 1500)) == Found{0});
    CHECK(packet_rules(*rules, kWeb) == Found{1, 2});
}

TEST_CASE("payload hits count only where the header holds") {
    std::vector<rules::Rule> rules = {
        payload_rule("tcp port 80", {literal("GET")}),
        payload_rule("tcp port 443", {literal("GET")}),
        payload_rule("", {literal("GET")}),
        payload_rule("src host 10.0.0.1", {literal("GET"), literal("200")}),
        payload_rule("tcp[tcpflags] & tcp-push != 0", {literal("GET")}),
        payload_rule("tcp[tcpflags] & tcp-ack != 0", {literal("GET")}),
        payload_rule("", {literal("GET")}),
        payload_rule("tcp dst port 80 or udp", {literal("tail"), literal("200")}),
        payload_rule("tcp dst port 80", {literal("tail"), literal("200")}),
    };
    rules[6].malformed = true;
    const auto all = compiled(rules);
    const MatchScratchPtr scratch = all->make_scratch();
    const auto asked = [&](const Sample& sample) {
        return found(all->payload_rules(sample.view(), sample.payload(), 9, *scratch));
    };
    CHECK(asked(kWeb) == Found{0, 2, 3, 5});
    // The packet's own direction.
    CHECK(asked(kReply) == Found{});
    CHECK_FALSE(all->payload_groups(kWeb.parsed.key, *scratch).empty());
    // A later fragment has the key that was learned for its first, and is asked by it.
    Sample tail = kFragment;
    tail.parsed.key = kWeb.parsed.key;
    CHECK(asked(tail) == Found{7, 8});
}

TEST_CASE("a payload needs no scan when no header can hold in either direction") {
    const auto key = [](const char* src, const char* dst, std::uint16_t port) {
        return Sample(PacketBuilder().ethernet().ipv4(src, dst).tcp(40000, port).build()).parsed.key;
    };
    const auto rules = compiled({payload_rule("tcp src port 80", {literal("a")}),
                                 payload_rule("tcp port 8080 or tcp port 8081", {literal("b")})});
    const MatchScratchPtr scratch = rules->make_scratch();
    CHECK_FALSE(rules->payload_groups(key("10.0.0.1", "10.0.0.2", 80), *scratch).empty());
    CHECK_FALSE(rules->payload_groups(key("10.0.0.1", "10.0.0.2", 8081), *scratch).empty());
    CHECK(rules->payload_groups(key("10.0.0.1", "10.0.0.2", 25), *scratch).empty());
    for (const char* filter : {"", "len > 100", "vlan"}) {
        INFO(filter);
        const auto open = compiled({payload_rule(filter, {literal("a")})});
        CHECK_FALSE(open->payload_groups(key("10.0.0.1", "10.0.0.2", 25), *open->make_scratch()).empty());
    }
    const auto none = compiled({filter_rule("tcp")});
    CHECK(none->payload_groups(key("10.0.0.1", "10.0.0.2", 25), *none->make_scratch()).empty());
}

TEST_CASE("every error is reported with its place, in the order of the rules") {
    std::vector<rules::Rule> rules = {
        filter_rule("tcp port"),
        filter_rule("tcp"),
        on_layer(Layer::kInner, "vlan and tcp"),
        payload_rule("host example.org", {regex("("), literal("ok")}),
        filter_rule("tcp port"),
    };
    const CompiledRules::Outcome outcome = CompiledRules::compile(rules, net::LinkType::kEthernet);
    CHECK_FALSE(outcome.rules);
    CHECK(outcome.summaries.size() == rules.size());
    REQUIRE(outcome.errors.size() == 5);
    const struct {
        std::size_t rule;
        const char* place;
        const char* reason;
    } rows[] = {{0, "/filter", "syntax error"},
                {2, "/layer", "\"vlan\""},
                {3, "/filter", "\"example.org\""},
                {3, "/payload/0", "parenthes"},
                {4, "/filter", "syntax error"}};
    for (std::size_t i = 0; i < 5; ++i) {
        INFO(outcome.errors[i].reason);
        CHECK(outcome.errors[i].rule == rows[i].rule);
        CHECK(outcome.errors[i].place == rows[i].place);
        CHECK(outcome.errors[i].reason.find(rows[i].reason) != std::string::npos);
    }
    CHECK(outcome.errors[2].fix == "write an address");
}

TEST_CASE("a filter that can never match is a warning, and matches nothing") {
    const std::vector<rules::Rule> rules = {filter_rule("tcp and udp"), filter_rule("not (tcp or not tcp)"),
                                            on_layer(Layer::kFrame, "ip and arp"), filter_rule("tcp")};
    const CompiledRules::Outcome outcome = CompiledRules::compile(rules, net::LinkType::kEthernet);
    REQUIRE(outcome.rules);
    for (std::size_t i = 0; i < 3; ++i) {
        INFO(i);
        REQUIRE_FALSE(outcome.summaries[i].warnings.empty());
        CHECK(outcome.summaries[i].warnings[0].find("never match") != std::string::npos);
    }
    CHECK(outcome.summaries[3].warnings.empty());
    CHECK(outcome.summaries[2].layer == Layer::kFrame);
    CHECK(flow_rules(*outcome.rules, kWeb) == Found{3});
    CHECK(packet_rules(*outcome.rules, kArp) == Found{});
}

TEST_CASE("no rules at all") {
    const auto none = compiled({});
    CHECK(none->size() == 0);
    CHECK(none->jit_active());
    CHECK(flow_rules(*none, kWeb) == Found{});
    CHECK(packet_rules(*none, kArp) == Found{});
    CHECK(found(none->payload_rules(kWeb.view(), kWeb.payload(), 0, *none->make_scratch())) == Found{});
}

TEST_CASE("where libpcap's optimiser is wrong, a filter of plain terms is right") {
    const char* const filter = "(host 2001:db8::2 or dst net 2001:db8::/47) and dst net 2001:db8::/47";
    const auto rules = compiled({filter_rule(filter), filter_rule(filter, Scope::kPacket)});
    const Sample sample(PacketBuilder().ethernet().ipv6("fe80::1", "2001:db8:1::1").udp(1, 2).build());
    CHECK(flow_rules(*rules, sample) == Found{0});
    CHECK(packet_rules(*rules, sample) == Found{1});
}

TEST_CASE("a fragment of IPv6 is both of protocol 44 and of the protocol behind the header") {
    const auto rules =
        compiled({filter_rule("ip6 proto 44 and tcp", Scope::kPacket), filter_rule("tcp", Scope::kPacket),
                  filter_rule("tcp port 80", Scope::kPacket)});
    const Sample sample(PacketBuilder()
                            .ethernet()
                            .ipv6("fe80::1", "fe80::2")
                            .ipv6_fragment(0, true, 9)
                            .tcp(40000, 80)
                            .build());
    CHECK(packet_rules(*rules, sample) == Found{0, 1});
}

TEST_CASE("a list of addresses that libpcap would need minutes for is refused with a way out") {
    std::string hosts = "host 10.0.0.1";
    for (int i = 0; i < 2000; ++i)
        hosts += " or host 10.1." + std::to_string(i / 250) + "." + std::to_string(i % 250);
    const std::vector rules{filter_rule(hosts)};
    const CompiledRules::Outcome outcome = CompiledRules::compile(rules, net::LinkType::kEthernet);
    REQUIRE(outcome.errors.size() == 1);
    CHECK(outcome.errors[0].place == "/filter");
    CHECK(outcome.errors[0].reason.find("3000 at most") != std::string::npos);
    CHECK(outcome.errors[0].fix.find("several rules") != std::string::npos);
}
