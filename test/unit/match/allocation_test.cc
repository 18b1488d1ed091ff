// SPDX-License-Identifier: BSD-3-Clause
// Counts what this executable takes from the heap: no query may.
#include <atomic>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <new>

#include "net/packet_builder.h"
#include "rule_builders.h"

namespace {

std::atomic<std::uint64_t> allocations{0};

void* counted(std::size_t size) noexcept {
    allocations.fetch_add(1, std::memory_order_relaxed);
    return std::malloc(size != 0 ? size : 1);
}
void* counted_or_throw(std::size_t size) {
    void* memory = counted(size);
    if (memory == nullptr) throw std::bad_alloc();
    return memory;
}

}  // namespace

void* operator new(std::size_t size) {
    return counted_or_throw(size);
}
void* operator new[](std::size_t size) {
    return counted_or_throw(size);
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
    return counted(size);
}
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
    return counted(size);
}
void operator delete(void* memory) noexcept {
    std::free(memory);
}
void operator delete[](void* memory) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
    std::free(memory);
}
void operator delete[](void* memory, std::size_t) noexcept {
    std::free(memory);
}

using namespace yagura;
using namespace yagura::match;
using namespace yagura::test;

TEST_CASE("no query allocates, even when every rule matches") {
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

    const std::uint64_t before = allocations.load();
    std::size_t matches = 0;
    for (int round = 0; round < 3; ++round) {
        matches += all.flow_rules(web.parsed.key, *scratch).size();
        matches += all.packet_rules(web.view(), limit, *scratch).size();
        matches += all.packet_rules(arp.view(), limit, *scratch).size();
        matches += all.payload_rules(web.view(), web.payload(), limit, *scratch).size();
        matches += all.payload_groups(web.parsed.key, *scratch).size();
    }
    CHECK(allocations.load() == before);
    CHECK(matches == 3 * (200 + 200 + 200 + 200 + 2));
}
