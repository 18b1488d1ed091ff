// SPDX-License-Identifier: BSD-3-Clause
// The next bytes of a stream, in order, go past the rules' lists (Inspector::feed_in_order). What comes out
// must be what the long way says, which a rule that is asked of every packet makes all packets go.
#include <array>
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "net/packet_builder.h"
#include "select/selector.h"
#include "support/random.h"
#include "support/rules_from_json.h"

using namespace yagura;
using net::PacketBuilder;

namespace {

/// Frames that matter to nobody, but have to be looked for.
const std::string kAsksEveryPacket =
    R"(, {"id": 99, "filter": "len > 60000", "scope": "packet", "forward": ["d"]}])";

/// One policy's opinion of one flow.
class Opinion {
  public:
    explicit Opinion(const std::string& rules)
        : config_(test::config_with_rules(rules)),
          selector_(test::policy_of(config_), {.inspect = {.stream_depth = 150, .reorder_bytes = 64}},
                    store_) {}

    select::Verdict ask(const std::vector<std::uint8_t>& frame) {
        const net::ParsedPacket parsed = net::parse(frame, frame.size(), net::LinkType::kEthernet);
        const match::PacketView view{.frame = frame,
                                     .wire_length = static_cast<std::uint32_t>(frame.size()),
                                     .parsed = &parsed,
                                     .captured = static_cast<std::uint32_t>(frame.size())};
        if (flow_.epoch == 0) {
            flow_.key = parsed.key;
        } else if (parsed.key != flow_.key) {
            flow_.answered = true;
        }
        const select::Verdict verdict = selector_.select(view, parsed.key.symmetric_hash(0), &flow_, 0);
        if (verdict.closed) selector_.end_inspection(flow_);
        return verdict;
    }
    std::uint64_t tools() const { return selector_.flow_tools(flow_); }
    bool decided() const { return flow_.decided; }
    std::uint64_t scanned() const { return selector_.inspector().counters().scanned_bytes.get(); }
    std::vector<match::RuleIndex> forward_rules() const {
        std::vector<match::RuleIndex> rules;
        selector_.append_forward_rules(flow_, rules);
        return rules;
    }

  private:
    rules::Config config_;
    flow::BlockStore store_{1 << 20};
    select::Selector selector_;
    flow::FlowEntry flow_{};
};

/// Two sides that talk in words, mostly in order; some segments come again, too early, or never.
class Talk {
  public:
    explicit Talk(test::Random& random) : random_(random) {}

    std::vector<std::uint8_t> next() {
        const std::size_t side = random_.below(2);
        std::uint32_t& seq = seq_[side];
        const std::string text = random_.one_in(4) ? "" : words();
        std::uint32_t at = seq;
        if (random_.one_in(12)) {
            at -= random_.between(1, 20);
        } else if (random_.one_in(15)) {
            at += random_.between(1, 20);
        } else {
            seq += static_cast<std::uint32_t>(text.size());
        }
        const std::uint8_t flags =
            random_.one_in(80) ? net::tcp_flag::kAck | net::tcp_flag::kFin : net::tcp_flag::kAck;
        PacketBuilder packet;
        packet.ethernet();
        if (side == 0) {
            packet.ipv4("10.0.0.1", "10.0.0.2").tcp(40000, 80, flags, {.seq = at, .ack = seq_[1]});
        } else {
            packet.ipv4("10.0.0.2", "10.0.0.1").tcp(80, 40000, flags, {.seq = at, .ack = seq_[0]});
        }
        return packet.payload(text).build();
    }

  private:
    static constexpr char kLetters[] = {'a', 'b', 'c', 'x', ' '};
    /// Of few letters, so that patterns begin, fail and straddle segments often.
    std::string words() {
        std::string text;
        for (std::uint32_t n = random_.between(1, 24); n != 0; --n) text += random_.any_of(kLetters);
        return text;
    }
    test::Random& random_;
    std::array<std::uint32_t, 2> seq_{0xffffff80, 5000};  // one wraps
};

const std::array kRuleSets{
    R"([{"id": 1, "payload": ["abca", "ccxc"], "forward": ["a"]},
        {"id": 2, "payload": "/b[ac]{3}x/", "forward": ["b"], "scope": "onward"})",
    R"([{"id": 1, "payload": "xxaa", "drop": true}, {"id": 2, "payload_all": ["abc", "bca"], "forward": ["a", "c"]})",
    R"([{"id": 1, "payload": [{"pattern": "cab", "direction": "to_client", "offset": 30}], "forward": ["a"]},
        {"id": 2, "payload_none": "abab", "forward": ["b"]}, {"id": 3, "filter": "dst port 80", "payload": "bb",
         "forward": ["c"], "scope": "onward"})",
    R"([{"id": 1, "payload": "aaaa", "scope": "onward", "drop": true}, {"id": 2, "forward": ["a"]},
        {"id": 3, "payload": "cbcb", "forward": ["b"]})",
};

}  // namespace

TEST_CASE("a stream's short way decides what its long way decides") {
    std::uint64_t decided = 0;
    std::uint64_t scanned = 0;
    for (std::size_t set = 0; set < kRuleSets.size(); ++set) {
        const std::string rules = kRuleSets[set];
        for (std::uint64_t seed = 0; seed < 150; ++seed) {
            test::Random random(seed);
            Talk talk(random);
            Opinion quick(rules + "]");
            Opinion thorough(rules + kAsksEveryPacket);
            for (unsigned packet = 0; packet < 60; ++packet) {
                INFO("rule set " << set << ", seed " << seed << ", packet " << packet);
                const auto frame = talk.next();
                const select::Verdict got = quick.ask(frame);
                const select::Verdict wanted = thorough.ask(frame);
                REQUIRE(got.tools == wanted.tools);
                REQUIRE(got.reason == wanted.reason);
                REQUIRE(got.hold == wanted.hold);
                REQUIRE(got.closed == wanted.closed);
                REQUIRE(quick.scanned() == thorough.scanned());
            }
            REQUIRE(quick.tools() == thorough.tools());
            REQUIRE(quick.forward_rules() == thorough.forward_rules());
            decided += quick.decided() ? 1 : 0;
            scanned += quick.scanned();
        }
    }
    // Some talks are decided early, and some are inspected to their end.
    CHECK(decided > 50);
    CHECK(decided < 590);
    CHECK(scanned > 20'000);
}
