// SPDX-License-Identifier: BSD-3-Clause
// Counts what is taken from the heap, by Hyperscan too: no query may take anything.
#include <catch2/catch.hpp>

#include "match/payload_states.h"
#include "net/packet_builder.h"
#include "rule_builders.h"
#include "support/allocations.h"
#include "support/skip.h"

using namespace yagura;
using namespace yagura::match;
using namespace yagura::test;

TEST_CASE("no query allocates, even when every rule matches") {
    if (!AllocationCount::works()) SKIP_TEST("the sanitizer's allocator cannot be counted");
    std::vector<rules::Rule> rules;
    for (int i = 0; i < 200; ++i) {
        // Undirected, in falling precision, so that every rule has several ways and all of them hold.
        rules.push_back(filter_rule(i % 2 == 0 ? "net 10.0.0.0/8 and port 80" : "not udp"));
        rules.push_back(filter_rule(i % 2 == 0 ? "ip host 10.0.0.1" : "len > 20", rules::Scope::kPacket));
        rules.push_back(payload_rule(i % 2 == 0 ? "tcp" : "tcp port 80 or udp",
                                     {literal("GET"), regex("G.T")}, {literal("/")}));
    }
    const auto outcome = CompiledRules::compile(rules, net::LinkType::kEthernet);
    REQUIRE(outcome.rules);
    const CompiledRules& all = *outcome.rules;
    const MatchScratchPtr scratch = all.make_scratch();
    const Sample web(
        net::PacketBuilder().ethernet().ipv4("10.0.0.1", "10.0.0.2").tcp(80, 80).payload("GET /").build());
    const Sample arp(net::PacketBuilder().ethernet().arp().build());
    const auto limit = static_cast<RuleIndex>(all.size());

    const AllocationCount allocations;
    std::size_t matches = 0;
    for (int round = 0; round < 3; ++round) {
        matches += all.flow_rules(web.parsed.key, *scratch).size();
        matches += all.packet_rules(web.view(), limit, *scratch).size();
        matches += all.packet_rules(arp.view(), limit, *scratch).size();
        matches += all.payload_rules(web.view(), web.payload(), limit, *scratch).size();
        matches += all.payload_groups(web.parsed.key, *scratch).size();
    }
    const std::uint64_t taken = allocations.so_far();
    CHECK(taken == 0);
    CHECK(matches == 3 * (200 + 200 + 200 + 200 + 2));
}

TEST_CASE("no question about a flow's payload allocates, nor do places for flows") {
    if (!AllocationCount::works()) SKIP_TEST("the sanitizer's allocator cannot be counted");
    std::vector<rules::Rule> rules;
    for (int i = 0; i < 100; ++i) {
        rules.push_back(payload_rule("tcp", {literal("GET"), regex("G.*T")}, {literal("/"), regex("x$")}));
        rules.push_back(payload_rule("len > 20", {regex("\xc3\xa9", "8"), regex("\\bT")}));
        rules.push_back(filter_rule("tcp port 80 or udp"));
        rules.back().payload_none = {literal("never")};
    }
    const auto outcome = CompiledRules::compile(rules, net::LinkType::kEthernet);
    REQUIRE(outcome.rules);
    const CompiledRules& all = *outcome.rules;
    const MatchScratchPtr scratch = all.make_scratch();
    PayloadStates states(outcome.rules, 8 * all.state_bytes());
    const Sample web(
        net::PacketBuilder().ethernet().ipv4("10.0.0.1", "10.0.0.2").tcp(80, 80).payload("x").build());
    const PacketView packet = web.view();
    const ScanContext context{web.parsed.key, &packet, rules::Direction::kToServer,
                              static_cast<RuleIndex>(all.size()), 0};
    const auto bytes = [](std::string_view text) {
        return base::Bytes(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
    };
    all.set_trace(*scratch, true);

    const AllocationCount allocations;
    std::size_t matches = 0;
    std::size_t hits = 0;
    for (int round = 0; round < 20; ++round) {
        const StateIndex state = states.acquire();
        matches += all.scan_stream(states, state, 0, bytes("GE"), context, *scratch).size();
        matches += all.scan_stream(states, state, 0, bytes("T /x"), context, *scratch).size();
        hits += CompiledRules::hits(*scratch).size();
        all.stream_gap(states, state, 1);
        matches += all.scan_stream(states, state, 1, bytes("x T"), context, *scratch).size();
        matches += all.scan_datagram(states, state, bytes("x"), context, *scratch).size();
        matches += all.end_stream(states, state, 0, context, *scratch).size();
        matches += all.conclude(states, state, web.parsed.key, *scratch).size();
        if (round % 4 != 0) states.release(state);
    }
    const std::uint64_t taken = allocations.so_far();
    CHECK(taken == 0);
    CHECK(matches == 20 * (100 + 100 + 100));
    CHECK(hits > 0);
}
