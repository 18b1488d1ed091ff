// SPDX-License-Identifier: BSD-3-Clause
// Large rule sets load, and every rule of them is found. How long it takes is printed, not judged: the
// machine may be busy.
#include <fmt/core.h>

#include <catch2/catch.hpp>
#include <chrono>

#include "net/packet_builder.h"
#include "rule_builders.h"

using namespace yagura;
using namespace yagura::match;
using namespace yagura::test;

namespace {

std::shared_ptr<const CompiledRules> timed_compile(const char* what, const std::vector<rules::Rule>& rules) {
    const auto start = std::chrono::steady_clock::now();
    CompiledRules::Outcome outcome = CompiledRules::compile(rules, net::LinkType::kEthernet);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    WARN(rules.size() << " " << what << " in " << took.count() << " s");
    REQUIRE(outcome.errors.empty());
    return outcome.rules;
}

net::FlowKey key_of(std::uint32_t i) {
    net::FlowKey key;
    key.ip_version = 4;
    key.proto = i % 2 == 0 ? 6 : 17;
    key.src = {10, static_cast<std::uint8_t>(i >> 16), static_cast<std::uint8_t>(i >> 8),
               static_cast<std::uint8_t>(i)};
    key.dst = {192, 168, static_cast<std::uint8_t>(i % 5), 1};
    key.sport = static_cast<std::uint16_t>(1024 + i % 50000);
    key.dport = static_cast<std::uint16_t>(80 + i % 3);
    return key;
}

std::string five_tuple(std::uint32_t i) {
    const net::FlowKey key = key_of(i);
    return fmt::format("{} and src host {} and dst host {} and src port {} and dst port {}",
                       net::protocol_name(key.proto), net::to_string(key.src, 4), net::to_string(key.dst, 4),
                       key.sport, key.dport);
}

}  // namespace

TEST_CASE("100,000 plain 5-tuple rules load, each is found, in session and in packet scope") {
    constexpr std::uint32_t kRules = 100000;
    std::vector<rules::Rule> rules;
    for (std::uint32_t i = 0; i < kRules; ++i) {
        rules.push_back(
            filter_rule(five_tuple(i), i % 4 == 3 ? rules::Scope::kPacket : rules::Scope::kSession));
    }
    const auto all = timed_compile("plain rules", rules);
    const MatchScratchPtr scratch = all->make_scratch();
    bool right = true;
    for (std::uint32_t i = 0; i < kRules; ++i) {
        const net::FlowKey key = key_of(i);
        if (i % 4 == 3) {
            // Fields only: the frame is not parsed here, so that 25,000 of them take no time.
            net::PacketBuilder builder;
            builder.ethernet().ipv4(key.src, key.dst);
            key.proto == 6 ? builder.tcp(key.sport, key.dport) : builder.udp(key.sport, key.dport);
            const Sample sample(builder.build());
            right = right && found(all->packet_rules(sample.view(), kRules, *scratch)) == Found{i};
            right = right && all->flow_rules(key, *scratch).empty();
        } else {
            right = right && found(all->flow_rules(i % 2 == 0 ? key : key.reversed(), *scratch)) == Found{i};
        }
    }
    CHECK(right);
    CHECK(all->flow_rules(key_of(kRules), *scratch).empty());
}

TEST_CASE("2,000 filters that are not plain load, each is found") {
    constexpr std::uint32_t kRules = 2000;
    std::vector<rules::Rule> rules;
    for (std::uint32_t i = 0; i < kRules; ++i) {
        rules.push_back(
            filter_rule(i % 2 == 0 ? fmt::format("({}) or vlan", five_tuple(i))
                                   : fmt::format("({}) or src host 172.16.0.1 and not tcp", five_tuple(i))));
    }
    const auto all = timed_compile("other filters", rules);
    CHECK(all->jit_active());
    const MatchScratchPtr scratch = all->make_scratch();
    bool right = true;
    for (std::uint32_t i = 1; i < kRules; i += 2) {
        right = right && found(all->flow_rules(key_of(i), *scratch)) == Found{i};
    }
    CHECK(right);
}

TEST_CASE("5,000 literals load, each is found") {
    constexpr std::uint32_t kRules = 5000;
    std::vector<rules::Rule> rules;
    for (std::uint32_t i = 0; i < kRules; ++i)
        rules.push_back(payload_rule("tcp", {literal(fmt::format("<{}>", i))}));
    const auto all = timed_compile("literals", rules);
    const MatchScratchPtr scratch = all->make_scratch();
    bool right = true;
    for (std::uint32_t i = 0; i < kRules; i += 7) {
        const Sample sample(net::PacketBuilder()
                                .ethernet()
                                .ipv4("10.0.0.1", "10.0.0.2")
                                .tcp(1, 2)
                                .payload(fmt::format("some <{}> text", i))
                                .build());
        right =
            right && found(all->payload_rules(sample.view(), sample.payload(), kRules, *scratch)) == Found{i};
    }
    CHECK(right);
}
