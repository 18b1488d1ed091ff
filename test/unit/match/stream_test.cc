// SPDX-License-Identifier: BSD-3-Clause
// Payload rules of flows: streams, datagrams, gaps, ends.
#include <algorithm>
#include <catch2/catch.hpp>
#include <string_view>

#include "match/payload_states.h"
#include "net/packet_builder.h"
#include "rule_builders.h"

using namespace yagura;
using namespace yagura::match;
using namespace yagura::test;
using namespace std::string_view_literals;
using net::PacketBuilder;
using rules::Direction;

namespace {

base::Bytes bytes(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

std::shared_ptr<const CompiledRules> compiled(const std::vector<rules::Rule>& rules) {
    CompiledRules::Outcome outcome = CompiledRules::compile(rules, net::LinkType::kEthernet);
    for (const CompileError& error : outcome.errors) FAIL(error.rule << error.place << ": " << error.reason);
    return outcome.rules;
}

rules::Rule none_rule(std::vector<rules::Pattern> none, std::vector<rules::Pattern> any = {},
                      std::string filter = "") {
    rules::Rule rule = payload_rule(std::move(filter), std::move(any));
    rule.payload_none = std::move(none);
    return rule;
}

const Sample kRequest(
    PacketBuilder().ethernet().ipv4("192.0.2.1", "192.0.2.2").tcp(40000, 80).payload("x").build());
const Sample kAnswer(
    PacketBuilder().ethernet().ipv4("192.0.2.2", "192.0.2.1").tcp(80, 40000).payload("x").build());

/// A flow whose client sends in direction 0.
class Flow {
  public:
    explicit Flow(const std::vector<rules::Rule>& rules)
        : rules_(compiled(rules)),
          scratch_(rules_->make_scratch()),
          states_(rules_, 4 * rules_->state_bytes()),
          limit(static_cast<RuleIndex>(rules.size())) {
        begin();
    }
    void begin() {
        if (state_ != PayloadStates::kNone) states_.release(state_);
        state_ = states_.acquire();
        REQUIRE(state_ != PayloadStates::kNone);
        positions_ = {0, 0};
    }

    Found scan(unsigned direction, std::string_view text, const Sample* by = nullptr) {
        const PacketView view = (by != nullptr ? *by : packet(direction)).view();
        const Found rules = found(rules_->scan_stream(states_, state_, direction, bytes(text),
                                                      context(direction, &view), *scratch_));
        positions_[direction] += text.size();
        return rules;
    }
    Found datagram(unsigned direction, std::string_view text) {
        const PacketView view = packet(direction).view();
        return found(
            rules_->scan_datagram(states_, state_, bytes(text), context(direction, &view), *scratch_));
    }
    void gap(unsigned direction, std::uint64_t size = 1) {
        rules_->stream_gap(states_, state_, direction);
        positions_[direction] += size;
    }
    Found end(unsigned direction) {
        return found(rules_->end_stream(states_, state_, direction, context(direction, nullptr), *scratch_));
    }
    Found conclude() { return found(rules_->conclude(states_, state_, kRequest.parsed.key, *scratch_)); }
    void trace(bool on = true) { rules_->set_trace(*scratch_, on); }
    std::vector<PayloadHit> hits() const {
        const auto all = CompiledRules::hits(*scratch_);
        return {all.begin(), all.end()};
    }
    PayloadStates& states() { return states_; }

  private:
    static const Sample& packet(unsigned direction) { return direction == 0 ? kRequest : kAnswer; }
    ScanContext context(unsigned direction, const PacketView* view) const {
        return {packet(direction).parsed.key, view,
                direction == 0 ? Direction::kToServer : Direction::kToClient, limit, positions_[direction]};
    }

    std::shared_ptr<const CompiledRules> rules_;
    MatchScratchPtr scratch_;
    PayloadStates states_;
    StateIndex state_ = PayloadStates::kNone;
    std::array<std::uint64_t, 2> positions_{};

  public:
    RuleIndex limit;
};

}  // namespace

TEST_CASE("a pattern is found across pieces, the moment its last byte comes, once") {
    Flow flow({payload_rule("", {literal("attack")}), payload_rule("", {regex("t+a")})});
    CHECK(flow.scan(0, "xxat") == Found{});
    CHECK(flow.scan(0, "") == Found{});
    CHECK(flow.scan(0, "ta") == Found{1});
    CHECK(flow.scan(1, "ck") == Found{});  // the other direction's bytes are another stream
    CHECK(flow.scan(0, "ck attack") == Found{0});
    CHECK(flow.scan(1, "attack") == Found{});
    CHECK(flow.end(0) == Found{});
    // The next flow in the same place knows nothing of it.
    flow.begin();
    CHECK(flow.scan(0, "ck") == Found{});
    CHECK(flow.scan(0, "attack") == Found{0, 1});
}

TEST_CASE("conditions are met by both directions together") {
    const rules::Rule rules[] = {
        payload_rule("", {literal("a"), literal("b")}, {literal("c"), literal("d")}),
        payload_rule("", {}, {literal("c"), towards(Direction::kToClient, literal("c"))}),
        payload_rule("", {towards(Direction::kToServer, literal("d"))}),
    };
    Flow flow({rules[0], rules[1], rules[2]});
    CHECK(flow.scan(0, "c c c") == Found{});
    CHECK(flow.scan(1, "d") == Found{});  // of rule 2, in the wrong direction
    CHECK(flow.scan(1, "c") == Found{1});
    CHECK(flow.scan(0, "d") == Found{2});
    CHECK(flow.scan(1, "b") == Found{0});
    CHECK(flow.scan(0, "abcd") == Found{});
}

TEST_CASE("a header asked of the flow holds for one direction's bytes or for both") {
    Flow flow({payload_rule("dst port 80", {literal("a")}), payload_rule("src port 80", {literal("a")}),
               payload_rule("tcp port 80 and not udp", {literal("a")}), payload_rule("udp", {literal("a")})});
    CHECK(flow.scan(1, "a") == Found{1, 2});
    CHECK(flow.scan(0, "a") == Found{0});
}

TEST_CASE("a header asked of packets is asked of the one that brings the last byte, each time") {
    const Sample small(
        PacketBuilder().ethernet().ipv4("192.0.2.1", "192.0.2.2").tcp(40000, 80).payload("x").build());
    const Sample large(PacketBuilder()
                           .ethernet()
                           .ipv4("192.0.2.1", "192.0.2.2")
                           .tcp(40000, 80)
                           .payload(std::string(200, 'x'))
                           .build());
    rules::Rule malformed = payload_rule("", {literal("ab")});
    malformed.malformed = true;
    Flow flow(
        {payload_rule("len > 150", {literal("ab")}), payload_rule("len > 150", {regex("b$")}), malformed});
    CHECK(flow.scan(0, "ab ab a", &small) == Found{});
    // A hit that did not count must not hide the later ones.
    CHECK(flow.scan(0, "b", &large) == Found{0});
    // Nobody brought the end.
    CHECK(flow.end(0) == Found{});
}

TEST_CASE("$ waits for the direction's end") {
    Flow flow({payload_rule("", {regex("ab$")}), payload_rule("", {regex("^ab", "m")}),
               payload_rule("", {regex("ab$", "m")}), payload_rule("", {regex("ab\\z")})});
    CHECK(flow.scan(0, "ab") == Found{1});
    CHECK(flow.scan(0, "\n") == Found{2});
    CHECK(flow.end(1) == Found{});
    CHECK(flow.end(0) == Found{0});  // before the last newline, as PCRE has it
    flow.begin();
    CHECK(flow.scan(0, "ab") == Found{1});
    CHECK(flow.end(0) == Found{0, 2, 3});
    flow.begin();
    CHECK(flow.scan(0, "ab") == Found{1});
    CHECK(flow.scan(0, "c") == Found{});
    CHECK(flow.end(0) == Found{});
}

TEST_CASE("each datagram by itself, hits adding up over the flow") {
    Flow flow({payload_rule("", {literal("ab")}), payload_rule("", {}, {regex("^x"), regex("y$")}),
               payload_rule("", {placed(literal("q"), 2, 1)})});
    CHECK(flow.datagram(0, "a") == Found{});
    CHECK(flow.datagram(0, "b") == Found{});
    CHECK(flow.datagram(0, "zx y") == Found{});
    CHECK(flow.datagram(1, "x") == Found{1});
    CHECK(flow.datagram(0, "") == Found{});
    CHECK(flow.datagram(0, "..ab") == Found{0});
    CHECK(flow.datagram(0, "abxy") == Found{});
    CHECK(flow.datagram(0, "qqxq") == Found{});
    CHECK(flow.datagram(0, "xxqx") == Found{2});
}

TEST_CASE("offset and depth count in bytes of the stream, wherever it is cut") {
    const struct {
        const char* what;
        rules::Pattern pattern;
        std::string_view stream;
        bool hit;
    } rows[] = {
        {"literal at its offset", placed(literal("bb"), 2), "aabb", true},
        {"literal one byte early", placed(literal("bb"), 3), "aabb", false},
        {"literal that begins early goes on later", placed(literal("bb"), 3), "aabbb", true},
        {"literal within its depth", placed(literal("bb"), 0, 4), "aabb", true},
        {"literal that ends one byte late", placed(literal("bb"), 0, 3), "aabb", false},
        {"offset and depth", placed(literal("bb"), 2, 2), "aabb", true},
        {"offset and depth, late", placed(literal("bb"), 1, 2), "aabb", false},
        {"regex of many lengths", placed(regex("ab*"), 2), "xxab", true},
        {"regex that begins early, and ends late enough", placed(regex("ab*"), 2), "xabbb", false},
        {"regex with the shorter of its matches", placed(regex("ab+"), 0, 2), "abbb", true},
        {"alternatives of different lengths", placed(regex("a|xaa"), 1, 1), "xaa", true},
        {"a line start at its offset", placed(regex("^ab+", "m"), 3), "ab\nab", true},
        {"no line start there", placed(regex("^ab+", "m"), 1), "ab ab", false},
        {"a word's start looks at what stands before the offset", placed(regex("\\bab*"), 1), "xab", false},
        {"and finds a space", placed(regex("\\bab*"), 1), " ab", true},
        {"the end, with an offset", placed(regex("b+$"), 1), "ab", true},
        {"the end, too early", placed(regex("ab+$"), 1), "ab", false},
        {"UTF-8 of one length", placed(regex("\xc3\xa9", "8"), 2), "\xc3\xa9\xc3\xa9", true},
        {"UTF-8 in bytes", placed(regex("\xc3\xa9", "8"), 3), "\xc3\xa9\xc3\xa9", false},
    };
    for (const auto& row : rows) {
        for (std::size_t cut = 0; cut <= row.stream.size(); ++cut) {
            INFO(row.what << ", cut at " << cut);
            Flow flow({payload_rule("", {row.pattern})});
            Found all = flow.scan(0, row.stream.substr(0, cut));
            for (const Found& more : {flow.scan(0, row.stream.substr(cut)), flow.end(0)}) {
                all.insert(all.end(), more.begin(), more.end());
            }
            CHECK(all == (row.hit ? Found{0} : Found{}));
        }
    }
    const std::string large(40000, 'x');
    Flow flow(
        {payload_rule("", {placed(regex("ab?"), 32767)}), payload_rule("", {placed(literal("a"), 40001)})});
    CHECK(flow.scan(0, std::string_view(large).substr(0, 32766)) == Found{});
    CHECK(flow.scan(0, "a") == Found{});
    CHECK(flow.scan(0, "a") == Found{0});
    CHECK(flow.scan(0, std::string_view(large).substr(0, 7232)) == Found{});
    CHECK(flow.scan(0, "a") == Found{});
    CHECK(flow.scan(0, "a") == Found{1});
}

TEST_CASE("a place that cannot be kept is an error with a fix") {
    const struct {
        rules::Pattern pattern;
        const char* place;
    } rows[] = {
        {placed(regex("ab?"), 32768), "/payload/0/offset"},
        {placed(regex("\xc3\xa9?a", "8"), 1), "/payload/0/offset"},
        {placed(regex("^ab?"), 1), "/payload/0/offset"},
        {placed(regex("(?:^ab?|c)", "m"), 1), "/payload/0/offset"},
        {placed(literal("abc"), 5, 2), "/payload/0/depth"},
        {placed(literal("abc"), ~std::uint64_t{0}), "/payload/0/offset"},
        {regex("(*UTF8)a"), "/payload/0"},
    };
    for (const auto& row : rows) {
        INFO(row.pattern.bytes);
        const rules::Rule rule = payload_rule("", {row.pattern});
        const auto outcome = CompiledRules::compile(std::span(&rule, 1), net::LinkType::kEthernet);
        REQUIRE(outcome.errors.size() == 1);
        CHECK(outcome.errors[0].place == row.place);
        CHECK_FALSE(outcome.errors[0].reason.empty());
        CHECK_FALSE(outcome.errors[0].fix.empty());
    }
    // It could never match; Hyperscan says so.
    const rules::Rule never = payload_rule("", {placed(regex("^abc"), 5)});
    CHECK(CompiledRules::compile(std::span(&never, 1), net::LinkType::kEthernet).errors.size() == 1);
}

TEST_CASE("behind a gap matching starts afresh") {
    const struct {
        const char* what;
        rules::Pattern pattern;
        std::string_view before;
        std::string_view behind;
        bool hit;
    } rows[] = {
        {"what comes behind is found", literal("ab"), "a", "ab", true},
        {"nothing matches across", literal("ab"), "a", "b", false},
        {"nothing matches across, in a repeat", regex("a.*b", "s"), "a", "xb", false},
        {"the gap is no byte", regex("[^x]b"), "x", "b", false},
        {"nor a NUL", literal(std::string("\0b", 2)), "x", "b", false},
        {"no start of the stream", regex("^b"), "x", "b", false},
        {"no start of the stream, later", regex("^b"), "x", "xb", false},
        {"no start for one of two", regex("^b|c"), "x", "bbc", false},
        {"no start of a line", regex("^b", "m"), "x", "b", false},
        {"a line's start farther on", regex("^b", "m"), "x", "a\nb", true},
        {"the first byte behind may go on with a word", regex("\\bb"), "x", "b", false},
        {"a word farther on", regex("\\bb"), "x", "b b", true},
        {"the end", regex("b$"), "x", "ab", true},
        {"an offset", placed(literal("b"), 1), "x", "abbb", false},
        {"a depth", placed(literal("b"), 0, 8), "x", "b", false},
        {"case", regex("ab", "i"), "x", "AB", true},
    };
    for (const auto& row : rows) {
        INFO(row.what);
        Flow flow({payload_rule("", {row.pattern})});
        CHECK(flow.scan(0, row.before) == Found{});
        flow.gap(0);
        Found all = flow.scan(0, row.behind);
        if (all.empty()) all = flow.end(0);
        CHECK(all == (row.hit ? Found{0} : Found{}));
    }
}

TEST_CASE("a gap in one direction leaves the other, and hits before it, alone") {
    Flow flow({payload_rule("", {}, {regex("^a"), literal("bc")}), payload_rule("", {regex("^x")})});
    CHECK(flow.scan(0, "a") == Found{});
    CHECK(flow.scan(1, "b") == Found{});
    flow.gap(0);
    CHECK(flow.scan(0, "a") == Found{});
    CHECK(flow.scan(1, "c") == Found{0});
    flow.begin();
    CHECK(flow.scan(0, "x") == Found{1});
    // Before the first byte.
    flow.begin();
    flow.gap(0);
    CHECK(flow.scan(0, "x") == Found{});
    CHECK(flow.scan(1, "x") == Found{1});
}

TEST_CASE("payload_none is decided at the end, or by a hit, for good") {
    Flow flow({none_rule({literal("bad")}),
               none_rule({literal("bad"), regex("e$")}, {literal("good"), literal("fine")}),
               none_rule({literal("bad")}, {}, "udp"), none_rule({literal("bad")}, {}, "src port 80"),
               none_rule({towards(Direction::kToClient, literal("x"))})});
    CHECK(flow.scan(0, "good") == Found{});
    CHECK(flow.conclude() == Found{0, 1, 3, 4});
    CHECK(flow.conclude() == Found{});  // each once
    flow.begin();
    CHECK(flow.conclude() == Found{0, 3, 4});
    flow.begin();
    CHECK(flow.scan(0, "b") == Found{});
    CHECK(flow.scan(0, "ad") == Found{});
    CHECK(flow.scan(1, "good") == Found{});
    CHECK(flow.conclude() == Found{3, 4});  // the hit went to port 80
    flow.begin();
    CHECK(flow.scan(0, "x fine") == Found{});
    CHECK(flow.end(0) == Found{});
    CHECK(flow.conclude() == Found{0, 3, 4});
    flow.begin();
    CHECK(flow.scan(1, "x bad") == Found{});
    CHECK(flow.conclude() == Found{});
}

TEST_CASE("rules at or above the limit are not asked") {
    Flow flow({payload_rule("", {literal("a")}), payload_rule("", {literal("a")}),
               payload_rule("", {literal("b")})});
    flow.limit = 1;
    CHECK(flow.scan(0, "ab") == Found{0});
    CHECK(flow.end(0) == Found{});
}

TEST_CASE("rules of scope packet are not asked of flows, nor others of tracked packets") {
    rules::Rule packet = payload_rule("", {literal("a")});
    packet.scope = rules::Scope::kPacket;
    rules::Rule onward = payload_rule("", {literal("a")});
    onward.scope = rules::Scope::kOnward;
    const std::vector<rules::Rule> rules = {packet, onward, payload_rule("", {literal("a")})};
    Flow flow(rules);
    CHECK(flow.scan(0, "a") == Found{1, 2});
    flow.begin();
    CHECK(flow.datagram(0, "a") == Found{1, 2});
    const auto all = compiled(rules);
    const MatchScratchPtr scratch = all->make_scratch();
    CHECK(found(all->payload_rules(kRequest.view(), bytes("a"), 3, *scratch)) == Found{0, 1, 2});
    CHECK(found(all->payload_rules(kRequest.view(), bytes("a"), 3, *scratch, PayloadRules::kOfScopePacket)) ==
          Found{0});
    CHECK(all->first_packet_payload_rule() == 0);
    CHECK(compiled({packet})->state_bytes() == 0);
    CHECK(compiled({packet})->group_count() == 0);
    CHECK(compiled({onward})->first_packet_payload_rule() == 1);
}

TEST_CASE("rules with the same header are one group") {
    rules::Rule packet = payload_rule("tcp port 80", {literal("a")});
    packet.scope = rules::Scope::kPacket;
    rules::Rule malformed = payload_rule("tcp port 80", {literal("a")});
    malformed.malformed = true;
    const auto all =
        compiled({payload_rule("tcp port 80", {literal("a")}), payload_rule("", {literal("a")}),
                  payload_rule("tcp port 80", {literal("b")}), filter_rule("tcp port 80"), packet,
                  payload_rule("udp", {literal("b")}), malformed, payload_rule("len > 5", {literal("a")}),
                  payload_rule("src port 80", {literal("a")})});
    REQUIRE(all->group_count() == 6);
    const Found groups[] = {{0, 2}, {1}, {5}, {6}, {7}, {8}};
    for (GroupIndex group = 0; group < 6; ++group) CHECK(found(all->group_rules(group)) == groups[group]);
    const MatchScratchPtr scratch = all->make_scratch();
    const Sample dns(PacketBuilder().ethernet().ipv4("192.0.2.1", "192.0.2.2").udp(5353, 53).build());
    CHECK(found(all->payload_groups(kRequest.parsed.key, *scratch)) == Found{0, 1, 3, 4, 5});
    CHECK(found(all->payload_groups(kAnswer.parsed.key, *scratch)) == Found{0, 1, 3, 4, 5});
    CHECK(found(all->payload_groups(dns.parsed.key, *scratch)) == Found{1, 2, 4});
    CHECK(all->packet_payload_possible(kAnswer.parsed.key, *scratch));
    CHECK_FALSE(all->packet_payload_possible(dns.parsed.key, *scratch));
}

TEST_CASE("hits say where each pattern was found, only while they are asked for") {
    rules::Rule both =
        payload_rule("", {regex("bc"), literal("q")}, {towards(Direction::kToClient, literal("bc"))});
    both.payload_none = {literal("x"), regex("c$")};
    Flow flow({both, payload_rule("udp", {literal("c"), literal("q")})});
    CHECK(flow.scan(0, "bc") == Found{});
    CHECK(flow.hits().empty());
    flow.begin();
    flow.trace();
    flow.scan(0, "aaab");
    CHECK(flow.hits().empty());
    flow.scan(0, "c q");
    CHECK(flow.hits() == std::vector<PayloadHit>{{0, PatternList::kAny, true, 0, 5},
                                                 {0, PatternList::kAll, false, 0, 5},
                                                 {1, PatternList::kAny, false, 0, 5},
                                                 {0, PatternList::kAny, true, 1, 7},
                                                 {1, PatternList::kAny, false, 1, 7}});
    flow.gap(0, 1000);
    flow.scan(0, "q");
    CHECK(flow.hits() == std::vector<PayloadHit>{{0, PatternList::kAny, true, 1, 1008},
                                                 {1, PatternList::kAny, false, 1, 1008}});
    flow.scan(0, "c");
    flow.end(0);
    CHECK(flow.hits() == std::vector<PayloadHit>{{0, PatternList::kNone, true, 1, 1009}});
    flow.datagram(0, "..x");
    CHECK(flow.hits() == std::vector<PayloadHit>{{0, PatternList::kNone, true, 0, 1012}});
    flow.trace(false);
    flow.datagram(0, "x");
    CHECK(flow.hits().empty());
}

TEST_CASE("the pool has as many places as its budget pays for, and no more") {
    const auto rules =
        compiled({payload_rule("", {literal("abc")}), payload_rule("", {regex("x\xc3\xa9", "8")})});
    const std::size_t size = rules->state_bytes();
    CHECK(size > 0);
    CHECK(size % 64 == 0);
    CHECK(PayloadStates(rules, size - 1).acquire() == PayloadStates::kNone);
    PayloadStates states(rules, 3 * size + size / 2);
    CHECK(states.capacity() == 3);
    const MatchScratchPtr scratch = rules->make_scratch();
    const auto scan = [&](StateIndex state, std::string_view text) {
        const ScanContext context{kRequest.parsed.key, nullptr, Direction::kToServer, 2, 0};
        return found(rules->scan_stream(states, state, 0, bytes(text), context, *scratch));
    };
    const StateIndex first = states.acquire();
    const StateIndex second = states.acquire();
    const StateIndex third = states.acquire();
    CHECK(states.acquire() == PayloadStates::kNone);
    CHECK(states.used() == 3);
    // Places do not touch each other.
    for (const StateIndex state : {first, second, third}) CHECK(scan(state, "a") == Found{});
    CHECK(scan(second, "bc x\xc3") == Found{0});
    CHECK(scan(first, "xbc") == Found{});
    CHECK(scan(second, "\xa9") == Found{1});
    CHECK(scan(third, "bc") == Found{0});
    states.release(second);
    CHECK(states.used() == 2);
    CHECK(states.acquire() == second);
    CHECK(scan(second, "bc\xa9") == Found{});
    CHECK(scan(second, "abc") == Found{0});
    // Without rules for flows there is nothing to keep.
    PayloadStates empty(compiled({filter_rule("tcp")}), 1 << 20);
    CHECK(empty.capacity() == 0);
    CHECK(empty.acquire() == PayloadStates::kNone);
}

TEST_CASE("payload_none with a header asked per packet is an error, unless the scope is packet") {
    rules::Rule rule = none_rule({literal("a")}, {}, "len > 5");
    rules::Rule malformed = none_rule({literal("a")}, {}, "tcp");
    malformed.malformed = false;
    rules::Rule packet = rule;
    packet.scope = rules::Scope::kPacket;
    const std::vector<rules::Rule> rules = {none_rule({literal("a")}, {}, "tcp"), rule, malformed, packet};
    const auto outcome = CompiledRules::compile(rules, net::LinkType::kEthernet);
    REQUIRE(outcome.errors.size() == 2);
    for (std::size_t i = 0; i < 2; ++i) {
        CHECK(outcome.errors[i].rule == i + 1);
        CHECK(outcome.errors[i].place == "/payload_none");
        CHECK_FALSE(outcome.errors[i].fix.empty());
    }
}

TEST_CASE("check warns of what a payload rule does to flows") {
    rules::Rule drop = payload_rule("tcp", {literal("a")});
    drop.drop = true;
    drop.forward.clear();
    rules::Rule packet_drop = drop;
    packet_drop.scope = rules::Scope::kPacket;
    const auto only_resets = [](rules::Rule rule) {
        rule.forward.clear();
        rule.reset = true;
        return rule;
    };
    rules::Rule forward_and_reset = filter_rule("len > 5");
    forward_and_reset.reset = true;
    const struct {
        const char* what;
        std::vector<rules::Rule> rules;
        std::vector<const char*> warnings;  ///< of the first: words in them
    } rows[] = {
        {"a forward", {payload_rule("tcp", {literal("a")})}, {}},
        {"a header asked per packet", {payload_rule("len > 5", {literal("a")})}, {"asked per packet"}},
        {"payload_none", {none_rule({literal("a")})}, {"payload_none"}},
        {"a drop before a forward", {drop, filter_rule("tcp")}, {"hold_bytes"}},
        {"a drop before a drop", {drop, drop}, {}},
        {"a drop at the end", {drop}, {}},
        {"a drop of packets", {packet_drop, filter_rule("tcp")}, {}},
        {"a drop before a reset alone", {drop, only_resets(filter_rule("tcp"))}, {}},
        {"a reset alone, asked per packet", {only_resets(filter_rule("len > 5"))}, {}},
        {"a forward with a reset, asked per packet", {forward_and_reset}, {"not the whole session"}},
        {"payload_none of a reset alone", {only_resets(none_rule({literal("a")}))}, {"nothing is reset"}},
    };
    for (const auto& row : rows) {
        INFO(row.what);
        const auto outcome = CompiledRules::compile(row.rules, net::LinkType::kEthernet);
        const std::vector<std::string>& warnings = outcome.summaries[0].warnings;
        REQUIRE(warnings.size() == row.warnings.size());
        for (std::size_t i = 0; i < warnings.size(); ++i) {
            CHECK(warnings[i].find(row.warnings[i]) != std::string::npos);
        }
    }
}
