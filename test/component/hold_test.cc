// SPDX-License-Identifier: BSD-3-Clause
// Hold and release at their bounds: rings and pools smaller than what is released, budgets of a few packets,
// a policy or a pipeline that ends while packets are held.
#include <algorithm>
#include <functional>
#include <map>

#include "net/packet_builder.h"
#include "support/allocations.h"
#include "support/pipeline_run.h"
#include "support/skip.h"

using namespace yagura;
using dataplane::Pressure;
using dataplane::Stats;
using select::DropReason;

namespace {

/// Frames as they are said, one microsecond apart.
class Traffic {
  public:
    using Fields = net::PacketBuilder::TcpFields;

    /// A connection that grows by what its client and its server say.
    class Session {
      public:
        Session(Traffic& traffic, unsigned number) : traffic_(traffic), number_(number) {}

        Session& open() {
            client("", net::tcp_flag::kSyn);
            server("", net::tcp_flag::kSyn | net::tcp_flag::kAck);
            return *this;
        }
        Session& client(const std::string& text, unsigned flags = net::tcp_flag::kAck) {
            return say(0, text, flags);
        }
        Session& server(const std::string& text, unsigned flags = net::tcp_flag::kAck) {
            return say(1, text, flags);
        }
        /// `n` segments of `size` bytes by the client, among which no pattern of these tests is.
        Session& talk(unsigned n, std::size_t size = 10) {
            for (unsigned i = 0; i < n; ++i) client(std::string(size, 'a'));
            return *this;
        }
        /// Places in `frames` of all that was said.
        const std::vector<std::size_t>& places() const { return places_; }

      private:
        Session& say(unsigned from, const std::string& text, unsigned flags) {
            const net::IpAddress client{10, 0, static_cast<std::uint8_t>(number_ >> 8),
                                        static_cast<std::uint8_t>(number_)};
            const net::IpAddress server{192, 0, 2, 1};
            net::PacketBuilder packet;
            packet.ethernet().ipv4(from == 0 ? client : server, from == 0 ? server : client);
            packet.tcp(from == 0 ? 40000 : 80, from == 0 ? 80 : 40000, static_cast<std::uint8_t>(flags),
                       {.seq = next_[from], .ack = next_[1 - from]});
            if (!text.empty()) packet.payload(text);
            next_[from] += static_cast<std::uint32_t>(text.size()) +
                           ((flags & (net::tcp_flag::kSyn | net::tcp_flag::kFin)) != 0 ? 1 : 0);
            places_.push_back(traffic_.add(packet.build(), from));
            return *this;
        }

        Traffic& traffic_;
        unsigned number_;
        std::array<std::uint32_t, 2> next_{1000, 2000};
        std::vector<std::size_t> places_;
    };

    std::size_t add(std::vector<std::uint8_t> bytes, unsigned port = 0) {
        frames.push_back({.bytes = std::move(bytes),
                          .timestamp_ns = 1'000 * (frames.size() + 1),
                          .wire_length = 0,
                          .port = base::PortId{static_cast<std::uint16_t>(port)}});
        return frames.size() - 1;
    }

    std::vector<loop::Frame> frames;
};

/// The places in the traffic of what a tool got, in the order in which it came. Every frame must be as it
/// was.
std::vector<std::size_t> got(const test::PipelineRun& run, std::size_t tool, const Traffic& traffic) {
    std::vector<std::size_t> places;
    for (loop::Frame frame : run.sinks[tool]->frames()) {
        const std::size_t place = frame.timestamp_ns / 1'000 - 1;
        REQUIRE(place < traffic.frames.size());
        frame.wire_length = 0;
        CHECK(frame == traffic.frames[place]);
        places.push_back(place);
    }
    return places;
}

std::vector<std::size_t> sorted(std::vector<std::size_t> places) {
    std::ranges::sort(places);
    return places;
}

std::uint64_t dropped(const Stats& stats, DropReason reason) {
    std::uint64_t packets = 0;
    for (const auto& port : stats.ports) packets += port.dropped[static_cast<std::size_t>(reason)].packets;
    return packets;
}

std::uint64_t shed(const Stats& stats, port::ShedReason reason) {
    std::uint64_t packets = 0;
    for (const auto& tool : stats.tools) packets += tool.shed[static_cast<std::size_t>(reason)].packets;
    return packets;
}

/// Rings of 16 packets.
void narrow(test::PipelineRun& run, unsigned burst) {
    run.options.fragments.waiting = 8;
    run.options.ring_size = 16;
    run.options.burst = burst;
}

void new_release_pool(test::PipelineRun& run, std::uint32_t size) {
    run.release_pool = std::move(port::PacketPool::create("few", size).value());
    run.options.release_pool = run.release_pool->get();
}

const char* const kNeedle = R"([{"id": 1, "payload": ["needle"], "forward": ["a"]}])";
std::string with_inspect(const std::string& keys) {
    return R"(, "inspect": {"flows": 4096, )" + keys + "}";
}

}  // namespace

TEST_CASE("a release larger than rings and pool waits for the tools and loses nothing") {
    const char* const lcores = GENERATE("rx=0;select=0;tx=0", "rx=0;select=1;tx=2", "rx=0;select=1,2;tx=3");
    const unsigned burst = GENERATE(1u, 8u);
    INFO(lcores << ", burst " << burst);
    Traffic traffic;
    std::vector<Traffic::Session> sessions;
    for (unsigned i = 0; i < 4; ++i) sessions.emplace_back(traffic, i).open();
    // Held in turn, then decided in one burst, with more for the same tools right behind.
    for (unsigned n = 0; n < 700; ++n) {
        for (auto& session : sessions) session.talk(1);
    }
    for (auto& session : sessions) session.client("needle");
    for (unsigned n = 0; n < 20; ++n) {
        for (auto& session : sessions) session.server("more");
    }
    test::PipelineRun run(R"([{"id": 1, "payload": ["needle"], "forward": ["a", "b"]},
                              {"id": 2, "filter": "src port 80", "scope": "packet", "forward": ["c"]}])",
                          8191, with_inspect(R"("hold_bytes": "1MiB")"));
    run.options.plan = test::plan_of(lcores);
    narrow(run, burst);
    new_release_pool(run, 31);
    run.feed(traffic.frames);
    const Stats stats = run.run();
    CHECK(stats.lost() == 0);
    CHECK(stats.hold_refused == 0);
    CHECK(stats.let_go == 0);
    for (const std::size_t tool : {0u, 1u}) {
        const auto places = got(run, tool, traffic);
        CHECK(places.size() == traffic.frames.size());
        for (const auto& session : sessions) {
            std::vector<std::size_t> of_session;
            for (const std::size_t place : places) {
                if (std::ranges::binary_search(session.places(), place)) of_session.push_back(place);
            }
            CHECK(of_session == session.places());
        }
    }
    CHECK(run.sinks[2]->frames().size() == 4 * 21);
    CHECK(stats.rules[0].count.packets == traffic.frames.size());
    CHECK(stats.rules[1].count.packets == 4 * 21);
}

TEST_CASE("a queue is released twice: each tool gets each packet once") {
    const char* const lcores = GENERATE("rx=0;select=0;tx=0", "rx=0;select=1;tx=2");
    const unsigned burst = GENERATE(1u, 8u);
    INFO(lcores << ", burst " << burst);
    Traffic traffic;
    Traffic::Session session(traffic, 1);
    session.open().talk(500).client("first").talk(300).client("second").talk(20);
    session.client("third").talk(3);
    test::PipelineRun run(R"([{"id": 1, "payload": ["first"], "forward": ["a"]},
                              {"id": 2, "payload": ["second"], "forward": ["b", "a"]},
                              {"id": 3, "payload": ["third"], "forward": ["c"]},
                              {"id": 4, "payload": ["fourth"], "forward": ["d"]}])",
                          8191, with_inspect(R"("hold_bytes": "1MiB")"));
    run.options.plan = test::plan_of(lcores);
    narrow(run, burst);
    new_release_pool(run, 31);
    run.feed(traffic.frames);
    const Stats stats = run.run();
    CHECK(stats.lost() == 0);
    CHECK(stats.incomplete == 0);
    for (const std::size_t tool : {0u, 1u, 2u}) CHECK(got(run, tool, traffic) == session.places());
    CHECK(run.sinks[3]->frames().empty());
    const std::uint64_t all = traffic.frames.size();
    CHECK(stats.ports[0].forwarded.packets + stats.ports[1].forwarded.packets == all);
    for (const std::size_t rule : {0u, 1u, 2u}) {
        CHECK(stats.rules[rule].count.packets == all);
        CHECK(stats.rules[rule].flows == 1);
    }
    CHECK(stats.rules[3].count.packets == 0);
}

namespace {

/// Gives the frames of `source` up to `bar`, which the test moves.
struct Barred final : port::RxQueue {
    Barred(loop::LoopSource& s, std::uint64_t b) : source(s), bar(b) {}
    std::uint16_t receive(std::span<rte_mbuf*> burst) override {
        const std::uint64_t left = bar.load(std::memory_order_acquire) - taken;
        const std::uint16_t n = source.receive(
            burst.first(static_cast<std::size_t>(std::min<std::uint64_t>(left, burst.size()))));
        taken += n;
        return n;
    }
    bool can_wait() const override { return true; }
    bool exhausted() const override { return source.exhausted(); }
    loop::LoopSource& source;
    std::atomic<std::uint64_t> bar;
    std::uint64_t taken = 0;
};

std::uint64_t settled(const Stats& stats) {
    std::uint64_t packets = 0;
    for (const auto& port : stats.ports)
        packets += port.forwarded.packets + port.held.packets + port.dropped_total().packets;
    return packets;
}

}  // namespace

TEST_CASE("a policy that ends while flows are held takes them with it") {
    const auto pressure = GENERATE(Pressure::kPushBack, Pressure::kDrop);
    INFO((pressure == Pressure::kDrop ? "live" : "replay"));
    Traffic traffic;
    Traffic::Session before(traffic, 1);
    Traffic::Session twice(traffic, 2);
    Traffic::Session waits(traffic, 3);
    before.open().talk(50);
    twice.open().talk(50).client("needle").talk(50);  // selected, and open still
    // A segment that waits for those before it has blocks of its own.
    waits.open().talk(50);
    traffic.add(net::PacketBuilder()
                    .ethernet()
                    .ipv4("10.0.0.3", "192.0.2.1")
                    .tcp(40000, 80, net::tcp_flag::kAck, {.seq = 9000})
                    .payload("needle")
                    .build());
    const std::size_t swapped = traffic.frames.size();
    before.client("needle").talk(5);
    twice.client("other").talk(5);
    test::PipelineRun run(R"([{"id": 1, "payload": ["needle"], "forward": ["a"]},
                              {"id": 2, "payload": ["other"], "forward": ["b"]}])");
    run.options.pressure = pressure;
    run.feed(traffic.frames);
    Barred source(*run.sources[0], swapped);
    run.options.sources = {&source};
    dataplane::Pipeline& pipeline = run.start();
    while (settled(pipeline.stats()) < swapped) test::sleep_ms(1);
    CHECK(pipeline.stats().ports[0].held.packets > 0);
    CHECK(pipeline.stats().inspected == 3);
    pipeline.swap_policy(test::policy_of(test::config_with_rules(
        R"([{"id": 7, "payload": ["needle"], "forward": ["c"]}, {"id": 8, "payload": ["other"], "forward": ["d"]}])")));
    {
        const Stats stats = pipeline.stats();
        CHECK(stats.inspected == 0);
        CHECK(stats.held_blocks == 0);
        for (const auto& port : stats.ports) CHECK(port.held == base::Count{});
        CHECK(dropped(stats, DropReason::kNotSelected) == 2 * 52 + 1);
    }
    source.bar = traffic.frames.size();
    const Stats stats = run.finish();
    const auto split = [&](const Traffic::Session& session, bool after) {
        std::vector<std::size_t> places = session.places();
        std::erase_if(places, [&](std::size_t place) { return (place >= swapped) != after; });
        return places;
    };
    CHECK(stats.lost() == 0);
    CHECK(got(run, 0, traffic) == split(twice, false));
    CHECK(run.sinks[1]->frames().empty());
    CHECK(got(run, 2, traffic) == split(before, true));
    CHECK(got(run, 3, traffic) == split(twice, true));
    CHECK(dropped(stats, DropReason::kNotSelected) == 2 * 52 + 1);
    CHECK(stats.rules[0].count.packets == split(before, true).size());
}

TEST_CASE("policies change while releases wait for the tools") {
    Traffic traffic;
    for (unsigned i = 0; i < 60; ++i) {
        Traffic::Session session(traffic, i);
        session.open().talk(100).client("needle").talk(5).server("other").talk(5);
    }
    test::PipelineRun run(kNeedle, 8191, with_inspect(R"("hold_bytes": "1MiB")"));
    run.options.plan = test::plan_of("rx=0;select=1,2;tx=3");
    narrow(run, 8);
    new_release_pool(run, 31);
    run.feed(traffic.frames);
    dataplane::Pipeline& pipeline = run.start();
    const auto other = test::policy_of(test::config_with_rules(
        R"([{"id": 1, "payload": ["needle"], "forward": ["a"]}, {"id": 2, "payload": ["other"], "forward": ["a", "b"]}])"));
    const auto needle = test::policy_of(run.config);
    for (unsigned swaps = 0; !pipeline.drained(); ++swaps) {
        pipeline.swap_policy(swaps % 2 == 0 ? other : needle);
        test::sleep_ms(1);
    }
    const Stats stats = run.finish();
    CHECK(stats.lost() == 0);
    // Whatever came of it: no packet twice.
    for (const std::size_t tool : {0u, 1u}) {
        const auto places = sorted(got(run, tool, traffic));
        CHECK(std::ranges::adjacent_find(places) == places.end());
    }
    CHECK(stats.tools[0].offered.packets == run.sinks[0]->frames().size());
    CHECK(stats.ports[0].forwarded.packets + stats.ports[1].forwarded.packets +
              dropped(stats, DropReason::kNotSelected) + dropped(stats, DropReason::kNoRule) ==
          traffic.frames.size());
}

TEST_CASE("a pipeline that is thrown away while packets are held and released returns its packets") {
    const auto pressure = GENERATE(Pressure::kPushBack, Pressure::kDrop);
    const long wait_ms = GENERATE(0, 1, 5, 20);
    INFO((pressure == Pressure::kDrop ? "live" : "replay") << ", after " << wait_ms << " ms");
    Traffic traffic;
    for (unsigned i = 0; i < 50; ++i) {
        Traffic::Session session(traffic, i);
        session.open().talk(200);
        if (i % 2 == 0) session.client("needle").talk(20);
    }
    test::PipelineRun run(kNeedle, 8191, with_inspect(R"("hold_bytes": "1MiB")"));
    run.options.pressure = pressure;
    narrow(run, 8);
    new_release_pool(run, 31);
    run.feed(traffic.frames, loop::LoopSource::kForever);
    run.start();
    test::sleep_ms(wait_ms);
    run.pipeline.reset();
    CHECK(run.pool->whole());
    CHECK(run.release_pool->whole());
}

TEST_CASE("a stage that is thrown away in the middle of its burst returns the burst") {
    // Nobody sends: tx has no turn. The release stops after the ring of 16, in the middle of a burst.
    struct Stuck final : port::TxQueue {
        std::uint16_t send(std::span<rte_mbuf* const>) override {
            entered.store(true, std::memory_order_release);
            while (!go.load(std::memory_order_acquire)) test::sleep_ms(1);
            return 0;
        }
        std::atomic<bool> entered{false};
        std::atomic<bool> go{false};
    } stuck;
    Traffic traffic;
    Traffic::Session session(traffic, 1);
    session.open().talk(100).client("needle").talk(100);
    test::PipelineRun run(kNeedle, 8191, with_inspect(R"("hold_bytes": "1MiB")"));
    run.options.tools[0] = &stuck;
    run.options.plan = test::plan_of("rx=0;select=1;tx=2");
    narrow(run, 8);
    run.feed(traffic.frames);
    dataplane::Pipeline& pipeline = run.start();
    while (!stuck.entered || pipeline.stats().on_tool_rings < 16) test::sleep_ms(1);
    test::sleep_ms(5);
    stuck.go = true;
    run.pipeline.reset();
    CHECK(run.pool->whole());
    CHECK(run.release_pool->whole());
}

TEST_CASE("a short hold_budget: the oldest is let go, as when_short says") {
    const bool forward = GENERATE(false, true);
    INFO((forward ? "forward" : "drop"));
    // 1 MiB is 4,228 blocks; a segment of 1,000 bytes takes 5 at most: of 60 flows with 30 of them some 28
    // fit.
    Traffic traffic;
    std::vector<Traffic::Session> sessions;
    for (unsigned i = 0; i < 60; ++i) sessions.emplace_back(traffic, i).open().talk(30, 1000);
    for (auto& session : sessions) session.client("needle").talk(2);
    test::PipelineRun run(kNeedle, 8191,
                          with_inspect(std::string(R"("hold_budget": "1MiB", "when_short": ")") +
                                       (forward ? "forward\"" : "drop\"")));
    run.feed(traffic.frames);
    const Stats stats = run.run();
    CHECK(stats.let_go > 20);
    CHECK(stats.let_go < 60);
    CHECK(stats.incomplete <= stats.hold_refused);
    const auto places = sorted(got(run, 0, traffic));
    CHECK(std::ranges::adjacent_find(places) == places.end());
    // Those who were let go are whole or have nothing, by when_short; who was refused room has lost its
    // middle.
    std::uint64_t whole = 0;
    std::uint64_t none = 0;
    for (const auto& session : sessions) {
        const auto count = std::ranges::count_if(
            places, [&](std::size_t place) { return std::ranges::binary_search(session.places(), place); });
        whole += static_cast<std::size_t>(count) == session.places().size() ? 1 : 0;
        none += count == 0 ? 1 : 0;
    }
    CHECK(none == (forward ? 0 : stats.let_go));
    CHECK(whole == sessions.size() - none - stats.incomplete);
    CHECK(dropped(stats, DropReason::kHoldBudget) == stats.lost());
    CHECK(stats.lost() >= none);
    CHECK(stats.lost() <= none * 32);
    CHECK(stats.ports[0].forwarded.packets + stats.ports[1].forwarded.packets == places.size());
}

TEST_CASE("a flow that the hold_budget alone cannot hold keeps its head") {
    Traffic traffic;
    Traffic::Session session(traffic, 1);
    session.open().talk(2000, 1000).client("needle").talk(5);
    test::PipelineRun run(
        kNeedle, 8191,
        with_inspect(R"("hold_budget": "1MiB", "hold_bytes": "1MiB", "stream_depth": "8MiB")"));
    run.feed(traffic.frames);
    const Stats stats = run.run();
    CHECK(stats.hold_refused == 1);
    CHECK(stats.let_go == 0);
    CHECK(stats.incomplete == 1);
    const auto places = got(run, 0, traffic);
    CHECK(std::ranges::is_sorted(places));
    CHECK(places.size() + dropped(stats, DropReason::kHoldFull) == traffic.frames.size());
    CHECK(places.size() > 500);
    const std::vector<std::size_t> head(places.begin(), places.end() - 6);
    CHECK(head.back() == head.size() - 1);
    CHECK(places[head.size()] == 2002);
}

TEST_CASE("a short stream_budget: the oldest is let go, as when_short says") {
    const bool forward = GENERATE(false, true);
    INFO((forward ? "forward" : "drop"));
    constexpr unsigned kSessions = 9000;
    Traffic traffic;
    std::vector<Traffic::Session> sessions;
    for (unsigned i = 0; i < kSessions; ++i) sessions.emplace_back(traffic, i).open().talk(1);
    for (auto& session : sessions) session.client("needle");
    const std::string more =
        std::string(R"(, "inspect": {"flows": 10000, "stream_budget": "1MiB", "when_short": ")") +
        (forward ? "forward\"}" : "drop\"}");
    test::PipelineRun run(R"([{"id": 1, "payload": ["needle"], "forward": ["a"]}])", 8191, more);
    const std::uint64_t states = (1u << 20) / run.options.policy->rules->state_bytes();
    REQUIRE(states < kSessions);
    run.feed(traffic.frames);
    const Stats stats = run.run();
    CHECK(stats.let_go == kSessions - states);
    CHECK(stats.uninspected == 0);
    const auto places = sorted(got(run, 0, traffic));
    CHECK(places.size() == 4 * (forward ? kSessions : states));
    CHECK(std::ranges::adjacent_find(places) == places.end());
    CHECK(stats.lost() == (forward ? 0 : 3 * stats.let_go));
    CHECK(dropped(stats, DropReason::kHoldBudget) == stats.lost());
}

TEST_CASE("a flow without payload is concluded when no state is free") {
    // Every state is taken by flows that stay undecided; the one that only opened ends with the input.
    Traffic traffic;
    std::vector<Traffic::Session> sessions;
    Traffic::Session silent(traffic, 65000);
    silent.open();
    test::PipelineRun run(R"([{"id": 1, "filter": "tcp", "payload_none": ["needle"], "forward": ["a"]}])",
                          8191, R"(, "inspect": {"flows": 40000, "stream_budget": "1MiB"})");
    const auto states = static_cast<unsigned>((1u << 20) / run.options.policy->rules->state_bytes());
    for (unsigned i = 0; i < states; ++i) sessions.emplace_back(traffic, i).open().talk(1);
    run.feed(traffic.frames);
    const Stats stats = run.run();
    CHECK(stats.let_go == 0);
    CHECK(sorted(got(run, 0, traffic)).size() == traffic.frames.size());
    CHECK(dropped(stats, DropReason::kNotSelected) == 0);
}

TEST_CASE("hold_bytes are used up: the head is kept, and what comes from the match on") {
    struct Row {
        const char* description;
        const char* hold_bytes;
        unsigned head;  ///< packets that are kept: of 54 bytes without payload, of 154 with 100
    };
    const auto row = GENERATE(Row{"nothing is held", "0", 0}, Row{"less than the first packet", "53", 0},
                              Row{"the SYN alone", "54", 1}, Row{"SYN and SYN/ACK, not the next", "261", 2},
                              Row{"one segment", "262", 3}, Row{"ten segments", "1648", 12});
    const auto pressure = GENERATE(Pressure::kPushBack, Pressure::kDrop);
    INFO(row.description << ", " << (pressure == Pressure::kDrop ? "live" : "replay"));
    Traffic traffic;
    Traffic::Session session(traffic, 1);
    session.open().talk(20, 100).client("needle").talk(5);
    Traffic::Session unwanted(traffic, 2);
    unwanted.open().talk(20, 100);
    test::PipelineRun run(kNeedle, 8191, with_inspect(std::string(R"("hold_bytes": )") + row.hold_bytes));
    run.options.pressure = pressure;
    run.feed(traffic.frames);
    const Stats stats = run.run();
    std::vector<std::size_t> expected(session.places().begin(), session.places().begin() + row.head);
    expected.insert(expected.end(), session.places().end() - 6, session.places().end());
    CHECK(got(run, 0, traffic) == expected);
    CHECK(dropped(stats, DropReason::kHoldFull) == 2 * (22 - row.head));
    CHECK(dropped(stats, DropReason::kNotSelected) == row.head);
    CHECK(stats.incomplete == 1);
    CHECK(stats.hold_refused == 0);
    CHECK(stats.lost() == 0);
    CHECK(stats.rules[0].count.packets == expected.size());
}

TEST_CASE("payload drops and what stands behind and beside them") {
    // 0 SYN, 1 SYN/ACK, 2 "hello", 3 "from here", 4 "the evil", 5 answer, 6 "bye"
    struct Row {
        const char* description;
        const char* rules;
        bool evil;
        std::vector<std::vector<std::size_t>> tools;  ///< those that got something, and before them
        std::vector<std::uint64_t> counts;            ///< packets by rule
        std::map<DropReason, std::uint64_t> drops;
    };
    const std::vector<std::size_t> all{0, 1, 2, 3, 4, 5, 6};
    static constexpr const char* kDropFirst = R"([{"id": 1, "payload": ["evil"], "drop": true},
                                                  {"id": 2, "filter": "tcp", "forward": ["a"]}])";
    static constexpr const char* kBeside =
        R"([{"id": 1, "filter": "tcp[13] & 2 != 0", "scope": "packet", "forward": ["b"]},
        {"id": 2, "payload": ["evil"], "drop": true}, {"id": 3, "filter": "tcp", "forward": ["a"]},
        {"id": 4, "payload": ["here"], "scope": "packet", "forward": ["c"]}])";
    static constexpr const char* kOnward = R"([{"id": 1, "payload": ["evil"], "drop": true},
        {"id": 2, "payload": ["here"], "scope": "onward", "forward": ["a"]},
        {"id": 3, "payload": ["hello"], "forward": ["b"]}])";
    static constexpr const char* kFirst = R"([{"id": 1, "filter": "tcp", "forward": ["a"]},
        {"id": 2, "payload": ["evil"], "drop": true}, {"id": 3, "filter": "tcp", "forward": ["b"]}])";
    const std::vector<Row> rows = {
        {"all waits, then all goes", kDropFirst, false, {all}, {0, 7}, {}},
        {"all waits, then nothing goes", kDropFirst, true, {}, {7, 0}, {{DropReason::kDropRule, 7}}},
        {"packets before the drop go at once", kBeside, false, {all, {0, 1}, {3}}, {2, 0, 7, 1}, {}},
        {"and stay when it matches", kBeside, true, {{}, {0, 1}}, {2, 7, 0, 0}, {{DropReason::kDropRule, 5}}},
        {"onward behind an open drop", kOnward, false, {{3, 4, 5, 6}, all}, {0, 4, 7}, {}},
        {"onward behind a drop that matches", kOnward, true, {}, {7, 0, 0}, {{DropReason::kDropRule, 7}}},
        {"a forward before the drop does not wait", kFirst, true, {all}, {7, 7, 0}, {}},
        {"nor when it never matches", kFirst, false, {all, all}, {7, 0, 7}, {}},
    };
    for (const Row& row : rows) {
        for (const auto pressure : {Pressure::kPushBack, Pressure::kDrop}) {
            INFO(row.description << ", " << (pressure == Pressure::kDrop ? "live" : "replay"));
            Traffic traffic;
            Traffic::Session session(traffic, 1);
            session.open().client("hello").client("from here").client(row.evil ? "the evil" : "the good");
            session.server("answer").client("bye");
            test::PipelineRun run(row.rules);
            run.options.pressure = pressure;
            run.feed(traffic.frames);
            const Stats stats = run.run();
            for (std::size_t tool = 0; tool < 4; ++tool) {
                INFO("tool " << tool);
                CHECK(got(run, tool, traffic) ==
                      (tool < row.tools.size() ? row.tools[tool] : std::vector<std::size_t>{}));
            }
            for (std::size_t rule = 0; rule < stats.rules.size(); ++rule) {
                INFO("rule " << rule + 1);
                CHECK(stats.rules[rule].count.packets == row.counts[rule]);
                CHECK(stats.rules[rule].flows == (row.counts[rule] != 0 ? 1 : 0));
            }
            for (std::size_t r = 0; r < select::kDropReasons; ++r) {
                const auto reason = static_cast<DropReason>(r);
                INFO(select::drop_reason_name(reason));
                CHECK(dropped(stats, reason) == (row.drops.contains(reason) ? row.drops.at(reason) : 0));
            }
            CHECK(stats.incomplete == 0);
        }
    }
}

TEST_CASE("what a payload drop holds back and cannot keep makes the session incomplete") {
    Traffic traffic;
    Traffic::Session session(traffic, 1);
    session.open().talk(20, 100).client("", net::tcp_flag::kFin | net::tcp_flag::kAck);
    session.server("", net::tcp_flag::kFin | net::tcp_flag::kAck).client("");
    const char* const hold_bytes = GENERATE("0", "262");
    INFO(hold_bytes);
    const unsigned head = std::string_view(hold_bytes) == "0" ? 0 : 3;
    test::PipelineRun run(R"([{"id": 1, "payload": ["evil"], "drop": true}, {"id": 2, "forward": ["a"]}])",
                          8191, with_inspect(std::string(R"("hold_bytes": )") + hold_bytes));
    run.feed(traffic.frames);
    const Stats stats = run.run();
    // The second FIN decides: it and what follows goes.
    std::vector<std::size_t> expected(session.places().begin(), session.places().begin() + head);
    expected.insert(expected.end(), {23, 24});
    CHECK(got(run, 0, traffic) == expected);
    CHECK(stats.incomplete == 1);
    CHECK(dropped(stats, DropReason::kHoldFull) == 23 - head);
}

TEST_CASE("live, a release that finds no buffer is shed and counted") {
    Traffic traffic;
    Traffic::Session session(traffic, 1);
    session.open().talk(500).client("needle").talk(3);
    test::PipelineRun run(R"([{"id": 1, "payload": ["needle"], "forward": ["a", "b"]}])", 8191,
                          with_inspect(R"("hold_bytes": "1MiB")"));
    run.options.pressure = Pressure::kDrop;
    new_release_pool(run, 31);
    run.feed(traffic.frames);
    const Stats stats = run.run();
    // The stage does not wait for tx in the middle of a release.
    const std::uint64_t no_buffer = shed(stats, port::ShedReason::kNoBuffer);
    CHECK(no_buffer > 0);
    CHECK(stats.lost() == no_buffer);
    CHECK(stats.ports[0].forwarded.packets + stats.ports[1].forwarded.packets == traffic.frames.size());
    for (const std::size_t tool : {0u, 1u}) {
        const auto places = got(run, tool, traffic);
        CHECK(std::ranges::is_sorted(places));
        CHECK(stats.tools[tool].offered.packets == traffic.frames.size());
        CHECK(stats.tools[tool].shed_total().packets + places.size() == traffic.frames.size());
    }
}

TEST_CASE("no thread allocates for flows that are held, released and let go") {
    if (!test::AllocationCount::works()) SKIP_TEST("a sanitizer has an allocator of its own");
    Traffic traffic;
    for (unsigned i = 0; i < 300; ++i) {
        Traffic::Session session(traffic, i);
        session.open().talk(i % 3 == 0 ? 100 : 10, 200);
        if (i % 2 == 0) session.client("nee").client("dle").server("evil");
        session.talk(3);
        if (i % 5 != 0) session.client("", net::tcp_flag::kAck | net::tcp_flag::kRst);
    }
    test::PipelineRun run(R"([{"id": 1, "payload": ["needle"], "forward": ["a", "any"]},
                              {"id": 2, "filter": "host 10.0.0.7", "payload": ["evil"], "drop": true},
                              {"id": 3, "payload_none": ["needle"], "forward": ["c"]},
                              {"id": 4, "payload": ["evil"], "scope": "onward", "forward": ["d"]}])",
                          8191,
                          R"(, "inspect": {"flows": 250, "hold_budget": "1MiB", "hold_bytes": "16KiB"})");
    run.sinks.clear();
    run.options.tools.clear();
    for (int tool = 0; tool < 4; ++tool) {
        run.sinks.push_back(std::make_unique<loop::LoopSink>());
        run.options.tools.push_back(run.sinks.back().get());
    }
    run.options.pressure = Pressure::kDrop;
    run.options.plan = test::plan_of("rx=0;select=1,2;tx=3");
    run.feed(traffic.frames, loop::LoopSource::kForever);
    dataplane::Pipeline& pipeline = run.start();
    while (pipeline.stats().ports[0].received.packets < 100) test::sleep_ms(1);
    const std::uint64_t before = pipeline.stats().ports[0].received.packets;
    std::uint64_t allocated = 0;
    {
        const test::AllocationCount count;
        for (int i = 0; i < 300; ++i) test::sleep_ms(1);
        allocated = count.so_far();
    }
    CHECK(pipeline.stats().ports[0].received.packets > before + 1000);
    CHECK(allocated == 0);
    pipeline.stop_sources();
    const Stats stats = run.finish();
    for (const std::size_t tool : {0u, 2u, 3u}) CHECK(stats.tools[tool].sent.packets > 0);
    CHECK(stats.let_go + stats.evicted > 0);
    CHECK(dropped(stats, DropReason::kHoldFull) > 0);
}
