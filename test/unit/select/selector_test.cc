// SPDX-License-Identifier: BSD-3-Clause
#include "select/selector.h"

#include <array>
#include <catch2/catch.hpp>
#include <string>
#include <utility>
#include <vector>

#include "net/packet_builder.h"
#include "support/rules_from_json.h"

using namespace yagura;
using net::PacketBuilder;
using select::DropReason;

namespace {

/// One policy and one flow, asked packet by packet.
class Conversation {
  public:
    explicit Conversation(const std::string& rules, std::uint32_t lists = 0)
        : config(test::config_with_rules(rules)),
          selector(test::policy_of(config), {.lists = lists}, store) {}

    /// A packet of the client 10.0.0.1:40000 to the server 10.0.0.2:80.
    select::Verdict to_server(const std::string& payload = "", std::uint8_t flags = net::tcp_flag::kAck) {
        return ask(PacketBuilder()
                       .ethernet()
                       .ipv4("10.0.0.1", "10.0.0.2")
                       .tcp(40000, 80, flags, {.seq = advance(0, payload)})
                       .payload(payload)
                       .build());
    }
    select::Verdict to_client(const std::string& payload = "", std::uint8_t flags = net::tcp_flag::kAck) {
        return ask(PacketBuilder()
                       .ethernet()
                       .ipv4("10.0.0.2", "10.0.0.1")
                       .tcp(80, 40000, flags, {.seq = advance(1, payload)})
                       .payload(payload)
                       .build());
    }
    select::Verdict ask(const std::vector<std::uint8_t>& frame, bool tracked = true) {
        const net::ParsedPacket parsed = net::parse(frame, frame.size(), net::LinkType::kEthernet);
        const match::PacketView view{.frame = frame,
                                     .wire_length = static_cast<std::uint32_t>(frame.size()),
                                     .parsed = &parsed,
                                     .captured = static_cast<std::uint32_t>(frame.size())};
        if (parsed.has_flow() && tracked && flow.epoch == 0) flow.key = parsed.key;
        const select::Verdict verdict = selector.select(view, parsed.key.symmetric_hash(0),
                                                        parsed.has_flow() && tracked ? &flow : nullptr, 0);
        if (verdict.closed) selector.end_inspection(flow);
        return verdict;
    }
    std::vector<select::DecisionTable::RuleCount> counts() const {
        std::vector<select::DecisionTable::RuleCount> totals(config.rules.size());
        selector.add_to(totals);
        return totals;
    }
    std::vector<match::RuleIndex> forward_rules() const {
        std::vector<match::RuleIndex> rules;
        selector.append_forward_rules(flow, rules);
        return rules;
    }

    rules::Config config;
    flow::BlockStore store{1 << 20};
    select::Selector selector;
    flow::FlowEntry flow{};

  private:
    /// The sequence number of a direction's next segment.
    std::uint32_t advance(std::size_t direction, const std::string& payload) {
        return std::exchange(next_[direction], next_[direction] + static_cast<std::uint32_t>(payload.size()));
    }
    std::array<std::uint32_t, 2> next_{1000, 5000};
};

constexpr std::uint64_t kA = 1;
constexpr std::uint64_t kB = 2;
constexpr std::uint64_t kC = 4;

}  // namespace

TEST_CASE("forwards add up until a drop ends the search") {
    Conversation c(R"([{"id": 1, "filter": "tcp", "forward": ["a"]},
                       {"id": 2, "filter": "udp", "drop": true},
                       {"id": 3, "filter": "port 80", "forward": ["b"]},
                       {"id": 4, "filter": "tcp", "drop": true},
                       {"id": 5, "forward": ["c"]}])");
    const auto verdict = c.to_server();
    CHECK(verdict.tools == (kA | kB));
    CHECK(verdict.reason == DropReason::kNone);
    CHECK(c.flow.decided);
    c.to_client();
    const auto counts = c.counts();
    CHECK(counts[0].count.packets == 2);
    CHECK(counts[1].count.packets == 0);
    CHECK(counts[2].count.packets == 2);
    CHECK(counts[3].count.packets == 2);
    CHECK(counts[4].count.packets == 0);
    CHECK(counts[0].flows == 1);
    CHECK(c.forward_rules() == std::vector<match::RuleIndex>{0, 2});
}

TEST_CASE("what no rule matches, and what a drop matches first, have different reasons") {
    Conversation nothing(R"([{"id": 1, "filter": "udp", "forward": ["a"]}])");
    CHECK(nothing.to_server().reason == DropReason::kNoRule);
    Conversation dropped(R"([{"id": 1, "filter": "tcp", "drop": true}, {"id": 2, "forward": ["a"]}])");
    CHECK(dropped.to_server().reason == DropReason::kDropRule);
    CHECK(dropped.to_client().reason == DropReason::kDropRule);
}

TEST_CASE("a filter of one direction selects the session from its first packet, whichever way that goes") {
    const char* rules = R"([{"id": 1, "filter": "dst port 80", "forward": ["a"]}])";
    Conversation client_first(rules);
    CHECK(client_first.to_server().tools == kA);
    CHECK(client_first.to_client().tools == kA);
    Conversation server_first(rules);
    CHECK(server_first.to_client().tools == kA);
    CHECK(server_first.to_server().tools == kA);
}

TEST_CASE("under scope onward a filter of one direction selects from the first packet that goes its way") {
    const char* rules = R"([{"id": 1, "filter": "src port 80", "scope": "onward", "forward": ["a"]}])";
    Conversation c(rules);
    CHECK(c.to_server().reason == DropReason::kNoRule);
    CHECK_FALSE(c.flow.decided);
    CHECK(c.to_server().reason == DropReason::kNoRule);
    CHECK(c.to_client().tools == kA);
    CHECK(c.flow.decided);
    CHECK(c.to_server().tools == kA);
    Conversation answer_first(rules);
    CHECK(answer_first.to_client().tools == kA);
    CHECK(answer_first.flow.decided);
    Conversation either(R"([{"id": 1, "filter": "port 80", "scope": "onward", "forward": ["a"]}])");
    CHECK(either.to_server().tools == kA);
    CHECK(either.flow.decided);
}

TEST_CASE("a drop of scope onward that only answers satisfy comes late for what was sent before") {
    Conversation c(
        R"([{"id": 1, "filter": "src port 80", "scope": "onward", "drop": true}, {"id": 2, "forward": ["a"]}])");
    CHECK(c.to_server().tools == kA);
    CHECK(c.to_client().reason == DropReason::kLateDrop);
    CHECK(c.to_server().reason == DropReason::kLateDrop);
}

TEST_CASE("scope packet selects matching packets alone") {
    Conversation c(R"([{"id": 1, "filter": "dst port 80", "scope": "packet", "forward": ["a"]}])");
    CHECK(c.to_server().tools == kA);
    CHECK(c.to_client().reason == DropReason::kNoRule);
    CHECK(c.to_server().tools == kA);
    CHECK(c.counts()[0].count.packets == 2);
}

TEST_CASE("a filter that needs more than the flow selects from the packet that matched on") {
    const std::string scope = GENERATE("session", "onward");
    Conversation c(R"([{"id": 1, "filter": "tcp[tcpflags] & tcp-rst != 0", "scope": ")" + scope +
                   R"(", "forward": ["a"]}])");
    CHECK(c.to_server().reason == DropReason::kNoRule);
    CHECK(c.to_client("", net::tcp_flag::kRst).tools == kA);
    CHECK(c.to_server().tools == kA);
    CHECK(c.to_client().tools == kA);
}

TEST_CASE("while a payload rule is open packets are held; a hit selects when its header holds") {
    Conversation c(R"([{"id": 1, "filter": "dst port 80", "payload": ["evil"], "forward": ["a"]}])");
    CHECK(c.to_server("good").hold);
    CHECK(c.to_client("evil").hold);  // the filter does not hold in this direction
    CHECK(c.to_server("so ev").hold);
    const select::Verdict hit = c.to_server("il");
    CHECK(hit.tools == kA);
    CHECK(hit.closed);
    CHECK_FALSE(hit.hold);
    CHECK(c.to_client("good").tools == kA);
    CHECK(c.to_server("good").tools == kA);
}

TEST_CASE("a flow whose header no payload rule can satisfy is decided at once") {
    Conversation c(R"([{"id": 1, "filter": "tcp port 25", "payload": ["evil"], "forward": ["a"]},
                       {"id": 2, "filter": "tcp", "forward": ["b"]}])");
    CHECK(c.to_server("evil").tools == kB);
    CHECK(c.flow.decided);
    CHECK_FALSE(c.selector.needs_bytes(&c.flow));
}

TEST_CASE("a drop that comes after packets were sent is a late drop, for the rest of the flow") {
    Conversation c(
        R"([{"id": 1, "filter": "tcp[tcpflags] & tcp-rst != 0", "drop": true},
            {"id": 2, "filter": "tcp", "forward": ["a"]}])");
    CHECK(c.to_server("hello").tools == kA);
    CHECK(c.to_client("", net::tcp_flag::kRst).reason == DropReason::kLateDrop);
    CHECK(c.to_server("hello").reason == DropReason::kLateDrop);
    CHECK(c.flow.decided);
    CHECK(c.forward_rules() == std::vector<match::RuleIndex>{1});
}

TEST_CASE("what comes after an open drop waits for it, and is never sent when it matches") {
    Conversation c(
        R"([{"id": 1, "payload": ["secret"], "drop": true}, {"id": 2, "filter": "tcp", "forward": ["a"]}])");
    const select::Verdict first = c.to_server("hello");
    CHECK(first.hold);
    CHECK(first.tools == 0);
    CHECK(c.to_client("sec").hold);
    CHECK(c.to_client("ret").reason == DropReason::kDropRule);
    CHECK(c.flow.decided);
    CHECK_FALSE(c.flow.late_drop);
    CHECK(c.forward_rules().empty());
}

TEST_CASE("an open drop of scope onward keeps nothing waiting") {
    Conversation c(R"([{"id": 1, "payload": ["secret"], "scope": "onward", "drop": true},
                       {"id": 2, "filter": "tcp", "forward": ["a"]}])");
    const select::Verdict first = c.to_server("hello");
    CHECK(first.tools == kA);
    CHECK_FALSE(first.hold);
    CHECK(c.to_client("sec").tools == kA);
    CHECK(c.to_client("ret").tools == 0);
    CHECK(c.to_server("more").tools == 0);
    CHECK(c.flow.decided);
}

TEST_CASE("a rule whose forbidden pattern has been found is open no more") {
    SECTION("a drop lets go what waits for it") {
        Conversation c(R"([{"id": 1, "payload_none": ["GET"], "drop": true},
                           {"id": 2, "filter": "tcp", "forward": ["a"]}])");
        CHECK(c.to_server("G").hold);
        const select::Verdict hit = c.to_server("ET /");
        CHECK(hit.closed);
        CHECK(hit.tools == kA);
        CHECK_FALSE(hit.hold);
        CHECK(c.flow.decided);
    }
    SECTION("a forward holds nothing any more, and other rules stay open") {
        Conversation c(R"([{"id": 1, "payload_none": ["GET"], "forward": ["a"]},
                           {"id": 2, "payload": ["needle"], "forward": ["b"]}])");
        CHECK(c.to_server("GET /").hold);
        CHECK_FALSE(c.flow.decided);
        const select::Verdict found = c.to_client("needle");
        CHECK(found.tools == kB);
        CHECK(found.closed);
    }
}

TEST_CASE("a packet that its own drop keeps from every tool is not held") {
    Conversation c(R"([{"id": 1, "filter": "tcp[tcpflags] & tcp-rst != 0", "scope": "packet", "drop": true},
                       {"id": 2, "payload": ["needle"], "forward": ["a"]}])");
    const select::Verdict reset = c.to_server("", net::tcp_flag::kRst);
    CHECK_FALSE(reset.hold);
    CHECK(reset.reason == DropReason::kDropRule);
    CHECK(c.to_server("need").hold);
    CHECK(c.to_server("le").tools == kA);
}

TEST_CASE("a drop that an answer brings ends the inspection of the flow") {
    Conversation c(R"([{"id": 1, "filter": "src port 80", "scope": "onward", "drop": true},
                       {"id": 2, "payload": ["needle"], "forward": ["a"]}])");
    CHECK(c.to_server("nee").hold);
    const select::Verdict answer = c.to_client("x");
    CHECK(answer.closed);
    CHECK(answer.reason == DropReason::kDropRule);
    CHECK(c.flow.inspection == select::Inspection::kNone);
    CHECK(c.selector.inspections().count() == 0);
    CHECK(c.flow.decided);
}

TEST_CASE("a drop that comes before anything was sent is no late drop") {
    Conversation c(
        R"([{"id": 1, "filter": "tcp[tcpflags] & tcp-rst != 0", "scope": "packet", "forward": ["b"]},
                       {"id": 2, "payload": ["secret"], "drop": true}])");
    CHECK(c.to_server("", net::tcp_flag::kRst).tools == kB);
    CHECK(c.to_server("secret").reason == DropReason::kDropRule);
    CHECK(c.to_client().reason == DropReason::kDropRule);
    // The forward of the packet alone stands before the drop and still counts.
    CHECK(c.to_server("", net::tcp_flag::kRst).tools == kB);
}

TEST_CASE("a drop of scope packet hides this packet from later rules, and nothing else") {
    Conversation c(R"([{"id": 1, "filter": "tcp[tcpflags] & tcp-rst != 0", "scope": "packet", "drop": true},
                       {"id": 2, "filter": "len > 0", "forward": ["a"]}])");
    CHECK(c.to_server("", net::tcp_flag::kRst).reason == DropReason::kDropRule);
    CHECK(c.forward_rules().empty());
    CHECK(c.to_server().tools == kA);
    CHECK(c.to_server("", net::tcp_flag::kRst).reason == DropReason::kDropRule);
    CHECK(c.to_client().tools == kA);
    CHECK(c.flow.late_drop == false);
}

TEST_CASE("later session rules join a flow that earlier ones already selected") {
    Conversation c(R"([{"id": 1, "filter": "tcp", "forward": ["a"]},
                       {"id": 2, "payload": ["x"], "forward": ["b"]},
                       {"id": 3, "payload": ["y"], "scope": "packet", "forward": ["c"]}])");
    const select::Verdict first = c.to_server("-");
    CHECK(first.tools == kA);
    CHECK(first.hold);
    CHECK(c.to_server("xy").tools == (kA | kB | kC));
    CHECK(c.to_server("-").tools == (kA | kB));
    CHECK(c.to_client("y").tools == (kA | kB | kC));
    CHECK(c.forward_rules() == std::vector<match::RuleIndex>{0, 1, 2});
    const auto counts = c.counts();
    CHECK(counts[0].count.packets == 4);
    CHECK(counts[1].count.packets == 3);
    CHECK(counts[2].count.packets == 2);
    for (const auto& count : counts) CHECK(count.flows == 1);
}

TEST_CASE("a balance group keeps a flow on one tool, the same for a packet without an entry") {
    Conversation c(R"([{"id": 1, "forward": ["any"]}])");
    const auto frame = PacketBuilder().ethernet().ipv4("10.0.0.1", "10.0.0.2").tcp(40000, 80).build();
    const std::uint64_t tools = c.ask(frame).tools;
    CHECK(std::popcount(tools) == 1);
    CHECK(c.to_client().tools == tools);
    CHECK(c.ask(frame, false).tools == tools);
}

TEST_CASE("a packet without flow is asked by itself") {
    Conversation c(
        R"([{"id": 1, "filter": "not tcp", "forward": ["a"]}, {"id": 2, "filter": "arp", "forward": ["b"]},
                       {"id": 3, "filter": "tcp", "forward": ["c"]}])");
    CHECK(c.ask(PacketBuilder().ethernet().arp().build()).tools == (kA | kB));
    CHECK(c.counts()[0].flows == 0);
}

TEST_CASE("a packet whose flow found no room gets what its flow would get from headers") {
    Conversation c(
        R"([{"id": 1, "filter": "src port 80", "forward": ["a"]}, {"id": 2, "payload": ["x"], "forward": ["b"]}])");
    const auto frame =
        PacketBuilder().ethernet().ipv4("10.0.0.1", "10.0.0.2").tcp(40000, 80).payload("x").build();
    CHECK(c.ask(frame, false).tools == (kA | kB));
    CHECK(c.flow.epoch == 0);
}

TEST_CASE("malformed packets can be selected, and have a reason of their own otherwise") {
    auto frame = PacketBuilder().ethernet().ipv4("10.0.0.1", "10.0.0.2").tcp(40000, 80).build();
    frame[14] = 0x44;  // header length of four words
    Conversation unselected(R"([{"id": 1, "filter": "udp", "forward": ["a"]}])");
    CHECK(unselected.ask(frame).reason == select::malformed_drop(net::Malformed::kBadIpHeaderLength));
    Conversation selected(R"([{"id": 1, "malformed": true, "forward": ["a"]}])");
    CHECK(selected.ask(frame).tools == kA);
    CHECK(selected.to_server().reason == DropReason::kNoRule);
    Conversation everything(R"([{"id": 1, "forward": ["a"]}])");
    CHECK(everything.ask(frame).tools == kA);
    Conversation dropped(R"([{"id": 1, "drop": true}])");
    CHECK(dropped.ask(frame).reason == DropReason::kDropRule);
}

TEST_CASE("without room for a list of rules every packet still gets what its rules say") {
    SECTION("forward") {
        Conversation c(
            R"([{"id": 1, "filter": "tcp", "forward": ["a"]}, {"id": 2, "filter": "port 80", "forward": ["b"]}])",
            1);
        // Another flow's list takes the only place.
        c.ask(PacketBuilder().ethernet().ipv4("10.0.0.1", "10.0.0.2").tcp(1, 2).build());
        REQUIRE(c.selector.decision_overflows() == 0);
        c.flow = {};
        CHECK(c.to_server().tools == (kA | kB));
        CHECK(c.to_client().tools == (kA | kB));
        CHECK(c.selector.decision_overflows() > 0);
        CHECK(c.counts()[1].count.packets == 2);
    }
    SECTION("drop") {
        Conversation c(
            R"([{"id": 1, "filter": "udp", "forward": ["a"]}, {"id": 2, "filter": "port 80", "drop": true},
                           {"id": 3, "forward": ["b"]}])",
            1);
        c.ask(PacketBuilder().ethernet().ipv4("10.0.0.1", "10.0.0.2").udp(1, 2).build());
        c.flow = {};
        CHECK(c.to_server().reason == DropReason::kDropRule);
        CHECK(c.to_client().reason == DropReason::kDropRule);
    }
    SECTION("the answer") {
        Conversation c(R"([{"id": 1, "filter": "tcp", "forward": ["a"]},
                           {"id": 2, "filter": "src port 80", "scope": "onward", "forward": ["b"]}])",
                       1);
        CHECK(c.to_server().tools == kA);
        CHECK(c.to_client().tools == (kA | kB));
        CHECK(c.to_client().tools == (kA | kB));
        CHECK(c.to_server().tools == kA);
    }
}

TEST_CASE("a rule that only responds selects nothing and ends no search") {
    Conversation c(
        R"([{"id": 1, "filter": "tcp", "reset": true}, {"id": 2, "filter": "tcp", "forward": ["a"]},
                       {"id": 3, "filter": "port 80", "block": {}}, {"id": 4, "forward": ["b"]}])");
    CHECK(c.to_server().tools == (kA | kB));
    CHECK(c.flow.decided);
    c.to_client();
    CHECK(c.forward_rules() == std::vector<match::RuleIndex>{1, 3});
    for (const auto& count : c.counts()) {
        CHECK(count.count.packets == 2);
        CHECK(count.flows == 1);
    }
    Conversation alone(R"([{"id": 1, "filter": "tcp", "reset": true}])");
    CHECK(alone.to_server().reason == DropReason::kNoRule);
    CHECK(alone.flow.decided);
    CHECK(alone.counts()[0].flows == 1);
    CHECK(alone.forward_rules().empty());
}

TEST_CASE("a flow is inspected for a rule that only responds until that holds, and nothing is held") {
    const std::string others = GENERATE("", R"({"id": 1, "filter": "tcp", "forward": ["a"]}, )");
    const std::string scope = GENERATE("session", "onward");
    CAPTURE(others, scope);
    Conversation c("[" + others + R"({"id": 2, "payload": ["evil"], "block": {}, "scope": ")" + scope +
                   "\"}]");
    const auto as_before = [&](const select::Verdict& verdict) {
        CHECK(verdict.tools == (others.empty() ? 0 : kA));
        CHECK(verdict.reason == (others.empty() ? DropReason::kNoRule : DropReason::kNone));
        CHECK_FALSE(verdict.hold);
    };
    as_before(c.to_server("good"));
    as_before(c.to_server("so ev"));
    CHECK_FALSE(c.flow.decided);
    CHECK(c.counts().back().flows == 0);
    const select::Verdict hit = c.to_server("il");
    as_before(hit);
    CHECK(hit.closed);
    CHECK(c.flow.decided);
    CHECK(c.counts().back().flows == 1);
    as_before(c.to_client("evil"));
    CHECK(c.counts().back().count.packets == 2);
}

TEST_CASE("a flow stays inspected for a rule that responds, though it gives nothing new") {
    const std::string responds = GENERATE("", R"(, "reset": true)");
    Conversation c(R"([{"id": 1, "filter": "tcp", "forward": ["a"]},
                       {"id": 2, "payload": ["evil"], "forward": ["a"])" +
                   responds + "}]");
    const select::Verdict first = c.to_server("good");
    CHECK(first.tools == kA);
    CHECK_FALSE(first.hold);
    CHECK(c.flow.decided == responds.empty());
    c.to_client("evil");
    CHECK(c.flow.decided);
    CHECK(c.counts()[1].flows == (responds.empty() ? 0 : 1));
}

TEST_CASE("a rule that responds and can hold no more keeps no flow inspected") {
    Conversation dead(R"([{"id": 1, "payload_none": ["GET"], "reset": true}])");
    CHECK_FALSE(dead.to_server("G").closed);
    CHECK(dead.to_server("ET /").closed);
    CHECK(dead.counts()[0].flows == 0);
    Conversation header(R"([{"id": 1, "filter": "udp", "payload": ["x"], "reset": true}])");
    header.to_server("x");
    CHECK(header.flow.decided);
    Conversation behind(
        R"([{"id": 1, "filter": "tcp", "drop": true}, {"id": 2, "payload": ["x"], "reset": true}])");
    CHECK(behind.to_server("x").reason == DropReason::kDropRule);
    CHECK(behind.flow.decided);
    CHECK(behind.counts()[1].flows == 0);
}

TEST_CASE("what responds does not wait for what else its flow may get, and counts a packet once") {
    Conversation c(R"([{"id": 1, "filter": "port 80", "reset": true},
                       {"id": 2, "payload": ["needle"], "forward": ["a"]},
                       {"id": 3, "payload": ["other"], "forward": ["b"]}])");
    const select::Verdict first = c.to_server("hay");
    CHECK(first.hold);
    CHECK(first.tools == 0);
    CHECK(first.reason == DropReason::kNone);
    CHECK(c.counts()[0].flows == 1);
    CHECK(c.counts()[0].count.packets == 1);
    CHECK(c.to_server("needle").tools == kA);
    flow::HeldPacket held{};
    held.own = first.own;
    held.counted = first.counted;
    held.size = 60;
    CHECK(c.selector.resolve(c.flow, held).tools == kA);
    CHECK(c.counts()[0].count.packets == 2);
    CHECK(c.counts()[1].count.packets == 2);
    CHECK(c.forward_rules() == std::vector<match::RuleIndex>{1});
}

TEST_CASE("what responds waits behind an open drop, and its packets do not") {
    Conversation c(R"([{"id": 1, "payload": ["secret"], "drop": true, "reset": true},
                       {"id": 2, "payload": ["evil"], "reset": true}, {"id": 3, "filter": "tcp", "block": {}}])");
    const select::Verdict evil = c.to_server("evil");
    CHECK_FALSE(evil.hold);
    CHECK(evil.reason == DropReason::kNoRule);
    CHECK(c.counts()[1].flows == 0);
    CHECK(c.counts()[2].flows == 0);
    CHECK(c.to_server("secret").reason == DropReason::kDropRule);
    CHECK(c.flow.decided);
    CHECK_FALSE(c.flow.late_drop);
    CHECK(c.counts()[0].flows == 1);
    CHECK(c.counts()[1].flows == 0);
}

TEST_CASE("a drop is not late for what only responded before") {
    Conversation c(R"([{"id": 1, "filter": "tcp[tcpflags] & tcp-rst != 0", "drop": true},
                       {"id": 2, "filter": "tcp", "reset": true}])");
    CHECK(c.to_server("hello").reason == DropReason::kNoRule);
    CHECK(c.to_client("", net::tcp_flag::kRst).reason == DropReason::kDropRule);
    CHECK_FALSE(c.flow.late_drop);
}

TEST_CASE("a rule that responds within a sample inspects no flow that is not in it") {
    unsigned inspected = 0;
    for (std::uint16_t port = 1; port <= 200; ++port) {
        Conversation c(R"([{"id": 1, "payload": ["evil"], "reset": true, "sample": 10}])");
        const auto verdict = c.ask(
            PacketBuilder().ethernet().ipv4("10.0.0.1", "10.0.0.2").tcp(port, 80).payload("evil").build());
        CHECK(verdict.closed == (c.counts()[0].flows == 1));
        if (verdict.closed) ++inspected;
    }
    CHECK(inspected > 0);
    CHECK(inspected < 100);
}

TEST_CASE("a flow met by another selector is decided anew") {
    Conversation c(R"([{"id": 1, "filter": "tcp", "forward": ["a"]}])");
    CHECK(c.to_server().tools == kA);
    const auto config = test::config_with_rules(R"([{"id": 1, "filter": "tcp", "forward": ["b"]}])");
    select::Selector next(test::policy_of(config), {.epoch = 2}, c.store);
    CHECK(next.needs_bytes(&c.flow));
    const auto frame = PacketBuilder().ethernet().ipv4("10.0.0.1", "10.0.0.2").tcp(40000, 80).build();
    const net::ParsedPacket parsed = net::parse(frame, frame.size(), net::LinkType::kEthernet);
    const match::PacketView view{.frame = frame, .wire_length = 54, .parsed = &parsed, .captured = 54};
    CHECK(next.select(view, 0, &c.flow, 0).tools == kB);
}

TEST_CASE("a flow is as important to a tool as the highest of the rules that give it to that tool") {
    Conversation c(R"([{"id": 1, "filter": "tcp", "forward": ["a"], "priority": 3},
                       {"id": 2, "filter": "port 80", "forward": ["a", "b"]},
                       {"id": 3, "filter": "udp", "forward": ["a"], "priority": 15},
                       {"id": 4, "filter": "tcp[tcpflags] & tcp-push != 0", "forward": ["b"], "priority": 12,
                        "scope": "packet"},
                       {"id": 5, "filter": "host 10.0.0.1", "forward": ["any"], "priority": 0}])");
    const auto priority = [&](unsigned tool) {
        return c.selector.priority(c.flow, base::ToolId{static_cast<std::uint8_t>(tool)},
                                   c.flow.key.symmetric_hash(0),
                                   [](auto, std::uint64_t tools) { return tools; });
    };
    c.to_server();
    CHECK(priority(0) == 8);
    CHECK(priority(1) == 8);
    // By the balance group alone, if at all; else by no rule.
    const std::uint64_t tools = c.selector.flow_tools(c.flow);
    CHECK(priority(2) == ((tools & kC) != 0 ? 0 : 8));
    // A rule of scope packet has given it a packet.
    c.to_server("x", net::tcp_flag::kAck | net::tcp_flag::kPsh);
    CHECK(priority(0) == 8);
    CHECK(priority(1) == 12);
}
