// SPDX-License-Identifier: BSD-3-Clause
// Rules that hold of one in so many flows.
#include <array>
#include <catch2/catch.hpp>
#include <cmath>
#include <string>
#include <vector>

#include "base/hash.h"
#include "net/packet_builder.h"
#include "select/selector.h"
#include "support/rules_from_json.h"

using namespace yagura;
using net::PacketBuilder;

namespace {

constexpr std::uint64_t kA = 1;
constexpr std::uint64_t kB = 2;

/// One policy, and a flow for each client port.
class Flows {
  public:
    explicit Flows(const std::string& rules)
        : config(test::config_with_rules(rules)),
          policy(test::policy_of(config)),
          selector(policy, {}, store),
          entries(kPorts) {}

    static constexpr std::uint16_t kPorts = 400;

    static std::vector<std::uint8_t> frame(std::uint16_t port, bool to_server, const std::string& payload) {
        PacketBuilder builder;
        builder.ethernet();
        if (to_server) {
            builder.ipv4("10.0.0.1", "10.0.0.2").tcp(port, 80, net::tcp_flag::kAck, {.seq = 1000});
        } else {
            builder.ipv4("10.0.0.2", "10.0.0.1").tcp(80, port, net::tcp_flag::kAck, {.seq = 5000});
        }
        return builder.payload(payload).build();
    }
    select::Verdict ask(const std::vector<std::uint8_t>& frame, std::uint64_t hash, flow::FlowEntry* flow,
                        std::uint32_t index) {
        const net::ParsedPacket parsed = net::parse(frame, frame.size(), net::LinkType::kEthernet);
        const auto size = static_cast<std::uint32_t>(frame.size());
        const match::PacketView view{
            .frame = frame, .wire_length = size, .parsed = &parsed, .captured = size};
        if (flow != nullptr && flow->epoch == 0) flow->key = parsed.key;
        const select::Verdict verdict =
            selector.select(view, parsed.has_flow() ? parsed.key.symmetric_hash(0) : hash, flow, index);
        if (verdict.closed) selector.end_inspection(*flow);
        return verdict;
    }
    select::Verdict ask(std::uint16_t port, bool to_server = true, const std::string& payload = "") {
        return ask(frame(port, to_server, payload), 0, &entries[port], port);
    }
    bool sampled(std::uint16_t port, std::size_t rule = 0) const {
        const auto bytes = frame(port, true, "");
        const net::ParsedPacket parsed = net::parse(bytes, bytes.size(), net::LinkType::kEthernet);
        return policy->actions[rule].in_sample(parsed.key.symmetric_hash(0));
    }

    rules::Config config;
    std::shared_ptr<const select::PolicySnapshot> policy;
    flow::BlockStore store{1 << 20};
    select::Selector selector;
    std::vector<flow::FlowEntry> entries;
};

std::uint64_t spread_hash(int i) {
    return base::mix(static_cast<std::uint64_t>(i) ^ base::kHashB, base::kHashD);
}

}  // namespace

TEST_CASE("a sample is one in so many flows, and in every larger one") {
    constexpr int kFlows = 200'000;
    for (const std::uint32_t sample : {1u, 2u, 3u, 10u, 97u, 1000u}) {
        CAPTURE(sample);
        const select::RuleAction action{.sample = sample};
        const select::RuleAction larger{.sample = (sample + 1) / 2};
        int in = 0;
        for (int i = 0; i < kFlows; ++i) {
            const bool sampled = action.in_sample(spread_hash(i));
            in += static_cast<int>(sampled);
            if (sampled) REQUIRE(larger.in_sample(spread_hash(i)));
        }
        const double expected = static_cast<double>(kFlows) / sample;
        CHECK(std::abs(in - expected) <= 5 * std::sqrt(expected));
    }
}

TEST_CASE("a sample says nothing of the member of a balance group") {
    const auto policy =
        test::policy_of(test::config_with_rules(R"([{"id": 1, "forward": ["any"], "sample": 4}])"));
    std::array<int, 3> share{};
    int in = 0;
    for (int i = 0; i < 60'000; ++i) {
        if (!policy->actions[0].in_sample(spread_hash(i))) continue;
        ++in;
        for (std::size_t tool = 0; tool < 3; ++tool)
            share[tool] += static_cast<int>(policy->balance_groups[0].pick(spread_hash(i)) >> tool & 1);
    }
    for (const int flows : share) CHECK(std::abs(flows - in / 3) < in / 30);
}

TEST_CASE("a sampled rule holds of whole flows") {
    const char* scope = GENERATE("session", "onward", "packet");
    CAPTURE(scope);
    Flows flows(std::string(R"([{"id": 1, "filter": "tcp", "forward": ["a"], "sample": 4, "scope": ")") +
                scope + R"("}, {"id": 2, "filter": "port 80", "forward": ["b"]}])");
    int in = 0;
    for (std::uint16_t port = 0; port < Flows::kPorts; ++port) {
        const std::uint64_t expected = flows.sampled(port) ? kA | kB : kB;
        in += static_cast<int>(flows.sampled(port));
        for (const bool to_server : {true, false, true}) CHECK(flows.ask(port, to_server).tools == expected);
        // Of a flow that has no place in the table, too.
        CHECK(flows.ask(Flows::frame(port, false, ""), 0, nullptr, 0).tools == expected);
    }
    CHECK(std::abs(in - Flows::kPorts / 4) < 40);
    std::vector<select::DecisionTable::RuleCount> counts(2);
    flows.selector.add_to(counts);
    CHECK(counts[0].flows == static_cast<std::uint64_t>(in));
    CHECK(counts[1].flows == Flows::kPorts);
}

TEST_CASE("a rule that only the answer satisfies is sampled, too") {
    Flows flows(R"([{"id": 1, "filter": "src port 80", "forward": ["a"], "sample": 4, "scope": "onward"}])");
    for (std::uint16_t port = 0; port < Flows::kPorts; ++port) {
        CHECK(flows.ask(port, true).tools == 0);
        CHECK(flows.ask(port, false).tools == (flows.sampled(port) ? kA : 0));
        CHECK(flows.ask(port, true).tools == (flows.sampled(port) ? kA : 0));
    }
}

TEST_CASE("a flow out of the sample is not inspected for the rule") {
    Flows flows(R"([{"id": 1, "payload": ["evil"], "forward": ["a"], "sample": 4},
                    {"id": 2, "filter": "tcp", "forward": ["b"]}])");
    for (std::uint16_t port = 0; port < Flows::kPorts; ++port) {
        const bool sampled = flows.sampled(port);
        const select::Verdict first = flows.ask(port);
        CHECK(first.tools == kB);
        CHECK(first.hold == sampled);
        CHECK(flows.entries[port].decided == !sampled);
        CHECK(flows.ask(port, true, "evil").tools == (sampled ? kA | kB : kB));
        CHECK(flows.ask(port, false).tools == (sampled ? kA | kB : kB));
    }
}

TEST_CASE("rules with and without a sample share a header") {
    Flows flows(R"([{"id": 1, "payload": ["evil"], "forward": ["a"], "sample": 4},
                    {"id": 2, "payload": ["vile"], "forward": ["b"]}])");
    for (std::uint16_t port = 0; port < Flows::kPorts; ++port) {
        CAPTURE(port, flows.sampled(port));
        flows.ask(port);
        flows.ask(port, true, "evil vile");
        CHECK(flows.ask(port, false).tools == (flows.sampled(port) ? kA | kB : kB));
    }
}

TEST_CASE("payload rules of scope packet are sampled by flow") {
    Flows flows(R"([{"id": 1, "payload": ["evil"], "forward": ["a"], "sample": 4, "scope": "packet"}])");
    for (std::uint16_t port = 0; port < Flows::kPorts; ++port) {
        CHECK(flows.ask(port, true, "evil").tools == (flows.sampled(port) ? kA : 0));
        CHECK(flows.ask(port, false, "good").tools == 0);
        CHECK(flows.ask(port, false, "evil").tools == (flows.sampled(port) ? kA : 0));
    }
}

TEST_CASE("packets without a flow are sampled by the hash that they are spread by") {
    Flows flows(R"([{"id": 1, "filter": "arp", "forward": ["a"], "sample": 4}])");
    const auto arp = PacketBuilder().ethernet().arp().build();
    int in = 0;
    for (int i = 0; i < 400; ++i) {
        const std::uint64_t tools = flows.ask(arp, spread_hash(i), nullptr, 0).tools;
        CHECK((tools != 0) == flows.policy->actions[0].in_sample(spread_hash(i)));
        in += static_cast<int>(tools != 0);
    }
    CHECK(std::abs(in - 100) < 40);
}

TEST_CASE("a rule with another sample is another condition") {
    const auto policy = [](const char* sample) {
        return test::policy_of(test::config_with_rules(
            std::string(R"([{"id": 1, "payload": ["evil"], "forward": ["a"])") + sample + "}]"));
    };
    CHECK(select::succession(*policy(R"(, "sample": 4)"), *policy(R"(, "sample": 4)")) != nullptr);
    CHECK(select::succession(*policy(R"(, "sample": 4)"), *policy("")) == nullptr);
}
