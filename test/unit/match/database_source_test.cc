// SPDX-License-Identifier: BSD-3-Clause
#include "match/database_source.h"

#include <catch2/catch.hpp>
#include <functional>
#include <string_view>

#include "net/packet_builder.h"
#include "rule_builders.h"

using namespace yagura;
using namespace yagura::match;
using namespace yagura::test;

namespace {

class Source final : public DatabaseSource {
  public:
    explicit Source(std::function<DatabaseAnswer(const DatabaseOrder&)> get) : get_(std::move(get)) {}
    DatabaseAnswer get(const DatabaseOrder& order) override {
        orders.push_back(order);
        return get_(order);
    }
    std::vector<DatabaseOrder> orders;

  private:
    std::function<DatabaseAnswer(const DatabaseOrder&)> get_;
};

rules::Rule payload_rule(rules::Pattern pattern, rules::Scope scope = rules::Scope::kSession) {
    rules::Rule rule = filter_rule("", scope);
    rule.payload = {std::move(pattern)};
    return rule;
}

CompiledRules::Outcome compile(const std::vector<rules::Rule>& rules, Source& source) {
    return CompiledRules::compile(rules, net::LinkType::kEthernet, &source);
}

}  // namespace

TEST_CASE("databases from elsewhere find what those made here find") {
    // Through bytes, as by a file or a pipe.
    Source elsewhere([](const DatabaseOrder& order) {
        const auto decoded = decode(encode(order));
        REQUIRE(decoded == order);
        return compile_database(*decoded);
    });
    const std::vector<rules::Rule> rules = {
        payload_rule(literal("abc")), payload_rule(placed(regex("x[0-9]+y"), 4, 40)),
        payload_rule(regex("caf\xc3\xa9", "8i")), payload_rule(literal("packet"), rules::Scope::kPacket)};
    const auto outcome = compile(rules, elsewhere);
    REQUIRE(outcome.rules != nullptr);
    // Streams, packets and datagrams; those with UTF-8 apart.
    CHECK(elsewhere.orders.size() == 5);
    const auto here = CompiledRules::compile(rules, net::LinkType::kEthernet);
    const Sample packet(
        net::PacketBuilder().ethernet().ipv4("192.0.2.1", "192.0.2.2").tcp(1, 2).payload("x").build());
    for (const std::string_view data :
         {"abc", "x12y", "1234 x12y", "CAF\xc3\x89", "a packet", "nothing", "abc packet x1y x1y"}) {
        CAPTURE(data);
        const base::Bytes bytes(reinterpret_cast<const std::uint8_t*>(data.data()), data.size());
        const auto ask = [&](const CompiledRules& compiled) {
            const MatchScratchPtr scratch = compiled.make_scratch();
            return found(compiled.payload_rules(packet.view(), bytes, 4, *scratch));
        };
        CHECK(ask(*outcome.rules) == ask(*here.rules));
    }
    CHECK(outcome.rules->state_bytes() == here.rules->state_bytes());
}

TEST_CASE("a source's errors have their places, and one that gives up is heard") {
    const std::vector<rules::Rule> rules = {payload_rule(literal("abc")), payload_rule(literal("def"))};
    SECTION("a pattern's") {
        Source source([](const DatabaseOrder& order) {
            if (order.expressions.size() == 2) return DatabaseAnswer{{}, 1, "it is too hard"};
            return compile_database(order);
        });
        const auto outcome = compile(rules, source);
        REQUIRE(outcome.errors.size() == 1);
        CHECK(outcome.errors.front().rule == 1);
        CHECK(outcome.errors.front().place == "/payload/0");
        CHECK(outcome.errors.front().reason == "it is too hard");
    }
    SECTION("no pattern's") {
        Source source([](const DatabaseOrder&) { return DatabaseAnswer{{}, -1, "it died"}; });
        const auto outcome = compile(rules, source);
        REQUIRE(outcome.errors.size() == 1);
        CHECK(outcome.errors.front().reason.find("it died") != std::string::npos);
    }
    SECTION("bytes that are no database") {
        Source source([](const DatabaseOrder&) { return DatabaseAnswer{std::string(5000, 'x'), -1, {}}; });
        const auto outcome = compile(rules, source);
        REQUIRE(outcome.errors.size() == 1);
        CHECK(outcome.errors.front().reason.find("does not fit this machine") != std::string::npos);
    }
    SECTION("a place that is none") {
        Source source([](const DatabaseOrder&) { return DatabaseAnswer{{}, 4711, "nobody's"}; });
        CHECK(compile(rules, source).errors.size() == 1);
    }
    SECTION("it gives up") {
        Source source([](const DatabaseOrder&) -> DatabaseAnswer { throw CompileCancelled(); });
        CHECK_THROWS_AS(compile(rules, source), CompileCancelled);
    }
}
