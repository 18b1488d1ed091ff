// SPDX-License-Identifier: BSD-3-Clause
// Connections are cut by the whole pipeline: two ends made by hand on two network ports, who answer RSTs and
// probes as RFC 9293 wants it.
#include <algorithm>
#include <chrono>
#include <set>
#include <tuple>

#include "support/response_run.h"

using namespace yagura;
using namespace net::tcp_flag;
using dataplane::ResponseAction;
using dataplane::ResponseCause;
using dataplane::ResponseMode;
using dataplane::ResponseReport;
using reset::Outcome;
using test::Connection;
using test::kAll;
using test::ResponseRun;
using test::Said;
using test::said;

namespace {

std::uint64_t own_frames(const dataplane::Stats& stats) {
    std::uint64_t own = 0;
    for (const auto& port : stats.ports)
        own += port.dropped[static_cast<std::size_t>(select::DropReason::kOwnFrame)].packets;
    return own;
}

}  // namespace

TEST_CASE("a connection is cut at both ends, by the ports by which they are heard, and is seen to be dead") {
    const char* const lcores = GENERATE("rx=0;select=0;tx=0", "rx=0;select=1,2,3;tx=4,5");
    INFO(lcores);
    ResponseRun run(kAll, lcores);
    run.start();
    Connection c;
    run.open(c);
    run.ask(c.key().reversed());  // either direction will do
    const ResponseReport report = run.outcome(c);
    CHECK(report.cookie == 1);
    CHECK(report.cause == ResponseCause::kControl);
    CHECK(report.key == c.key());
    CHECK(report.kill.outcome == Outcome::kVerified);
    CHECK(report.kill.seen == reset::Seen::kBothReset);
    CHECK(c.dead == std::array{true, true});
    CHECK(run.ttls == std::set<unsigned>{63, 1057});
    // Once more: it is over.
    run.ask(c.key());
    CHECK(run.outcome(c).kill.outcome == Outcome::kTooLate);
    const dataplane::Stats stats = run.end();
    std::uint64_t made = 0;
    for (const auto& port : stats.injected) {
        made += port.made.packets;
        CHECK(port.made == port.sent);
    }
    // Some may have been on their way when the outcome was known.
    CHECK(made == run.sent.size() + run.wires[0].take().size() + run.wires[1].take().size());
    CHECK(report.kill.frames == made);
    CHECK(stats.response->outcomes[static_cast<std::size_t>(Outcome::kVerified)] == 1);
}

TEST_CASE(
    "a tap with a routed port beside it sends nothing: that port reaches both ends, by its own addresses") {
    const net::MacAddress own{2, 0, 0, 0, 0, 0xaa};
    const net::MacAddress next_hop{2, 0, 0, 0, 0, 0xbb};
    ResponseRun run(kAll);
    run.options.injects = {{.queue = &run.wires[0], .other = base::PortId{1}},
                           {.queue = &run.wires[1], .link = reset::LinkAddresses{own, next_hop}}};
    // Both directions by the tap; or by the other port too, from which nothing leaves twice.
    const bool by_both = GENERATE(false, true);
    if (by_both) {
        run.heard_by = {{{0, 1}, {1, 0}}};
    } else {
        run.heard_by = {{{0}, {0}}};
    }
    run.start();
    Connection c{.tagged = true};
    run.open(c);
    run.ask(c.key());
    run.take();
    std::vector<std::vector<std::uint8_t>> frames;
    for (int i = 0; i < 1000 && frames.size() < 4; ++i) {
        for (auto& frame : run.wires[1].take()) frames.push_back(std::move(frame));
        test::sleep_ms(1);
    }
    REQUIRE(frames.size() >= 4);
    frames.resize(4);  // those of the first try
    std::array<unsigned, 2> toward{};
    std::set<std::tuple<net::FlowKey, std::uint8_t, std::uint32_t>> different;
    for (const auto& frame : frames) {
        CHECK(std::equal(next_hop.begin(), next_hop.end(), frame.begin()));
        CHECK(std::equal(own.begin(), own.end(), frame.begin() + 6));
        const Said s = said(frame);
        ++toward[s.key == c.key() ? 1 : 0];
        CHECK(different.insert({s.key, s.flags, s.seq}).second);
        if (by_both && s.key == c.key()) continue;
        // The tag is the tapped link's. Hops beyond the tap's are to be gone.
        CHECK(base::load_be16(&frame[12]) == net::ethertype::kIpv4);
        CHECK(frame[14 + 8] == 64);
    }
    CHECK(toward == std::array{2u, 2u});
    const dataplane::Stats stats = run.end();
    CHECK(stats.injected[0].made.packets == 0);
    CHECK(stats.injected[1].made.packets >= 4);
}

TEST_CASE("a routed port that cannot send is no way, and neither is the tap") {
    ResponseRun run(kAll);
    run.options.injects = {
        {.queue = &run.wires[0], .other = base::PortId{1}},
        {.queue = nullptr, .link = reset::LinkAddresses{{2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}}}};
    run.heard_by = {{{0}, {0}}};
    run.start();
    Connection c;
    run.open(c);
    run.ask(c.key());
    CHECK(run.outcome(c).kill.outcome == Outcome::kNoPath);
    CHECK(run.wires[0].take().empty());
    run.end();
}

TEST_CASE("frames of our own that come back are no traffic, and no tool gets them") {
    ResponseRun run(kAll);
    run.start();
    Connection c;
    run.open(c);
    run.ask(c.key());
    run.take();
    std::vector<std::vector<std::uint8_t>> mine;
    for (int i = 0; i < 1000 && mine.size() < 4; ++i) {
        for (auto& wire : run.wires) {
            for (auto& frame : wire.take()) mine.push_back(std::move(frame));
        }
        test::sleep_ms(1);
    }
    REQUIRE(mine.size() >= 4);
    // By either port, as a bridge shows them.
    for (std::size_t i = 0; i < mine.size(); ++i) run.give(mine[i], i % 2);
    // A RST of somebody else with the same numbers is traffic.
    auto foreign = c.frame(0, kRst);
    run.give(foreign, 0);
    const dataplane::Stats stats = run.end();
    CHECK(own_frames(stats) == mine.size());
    CHECK(stats.tools[0].sent.packets == run.given - mine.size());
}

TEST_CASE("what is not to be cut is not: never_cut, switched off, a dry run, unknown, no TCP") {
    ResponseRun run(kAll, "rx=0;select=1;tx=2", {*reset::parse_block_target("192.0.2.0/24")});
    run.start();
    Connection c;
    run.open(c);
    const auto nothing_was_sent = [&] {
        CHECK(run.wires[0].take().size() + run.wires[1].take().size() == 0);
    };
    run.ask(c.key());
    ResponseReport report = run.outcome(c);
    CHECK(report.kill.outcome == Outcome::kRefused);
    CHECK(report.why == ResponseReport::Why::kNeverCut);
    run.mode = ResponseMode::kOff;
    run.ask(c.key());
    report = run.outcome(c);
    CHECK(report.kill.outcome == Outcome::kRefused);
    CHECK(report.why == ResponseReport::Why::kOff);
    run.mode = ResponseMode::kOn;
    Connection other{.port = 41000};
    run.ask(other.key());
    CHECK_FALSE(run.outcome(c).found);
    nothing_was_sent();
    run.end();
}

TEST_CASE("a dry run says what it would do, by the call or for all") {
    ResponseRun run(kAll);
    run.start();
    Connection c;
    run.open(c);
    run.ask(c.key(), ResponseAction::kReset, 0, true);
    CHECK(run.outcome(c).kill.outcome == Outcome::kDryRun);
    run.mode = ResponseMode::kDryRun;
    run.ask(c.key());
    CHECK(run.outcome(c).kill.outcome == Outcome::kDryRun);
    CHECK(run.sent.empty());
    const dataplane::Stats stats = run.end();
    CHECK(stats.injected[0].made.packets + stats.injected[1].made.packets == 0);
}

TEST_CASE("switched off in the middle nothing more is sent") {
    ResponseRun run(kAll);
    run.start();
    Connection c;
    run.open(c);
    run.ask(c.key());
    run.take();
    run.mode = ResponseMode::kOff;
    test::sleep_ms(20);  // what was made before is on its way
    for (auto& wire : run.wires) wire.take();
    // Data would bring about a RST behind it.
    run.give(c.frame(0, kAck | kPsh, "more"), 0);
    test::sleep_ms(20);
    CHECK(run.wires[0].take().size() + run.wires[1].take().size() == 0);
    const dataplane::Stats stats = run.end();
    CHECK(stats.response->suppressed != 0);
}

TEST_CASE("a rule cuts its flows once: by their header, by what is in them") {
    const char* const rules =
        GENERATE(R"([{"id": 7, "filter": "tcp port 80", "reset": true}])",
                 R"([{"id": 7, "payload": "200 OK", "reset": true}])",
                 R"([{"id": 7, "payload": "200 OK", "reset": true, "drop": true},
                                           {"id": 8, "forward": ["a"]}])",
                 R"([{"id": 7, "payload": "200 OK", "reset": true, "scope": "packet"}])");
    INFO(rules);
    ResponseRun run(rules);
    run.start();
    Connection c;
    run.open(c);
    const ResponseReport report = run.outcome(c);
    CHECK(report.cause == ResponseCause::kRule);
    CHECK(report.source == 7);
    CHECK(report.kill.outcome == Outcome::kVerified);
    const dataplane::Stats stats = run.end();
    CHECK(stats.response->verdicts[static_cast<std::size_t>(ResponseCause::kRule)] == 1);
    CHECK(stats.rules[0].count.packets != 0);
}

TEST_CASE("a rule that blocks says so at once, and what") {
    ResponseRun run(
        R"([{"id": 7, "payload": "200 OK", "block": {"ttl": "10m", "what": "source"}, "forward": ["a"]}])");
    run.start();
    Connection c;
    run.open(c);
    const ResponseReport report = run.outcome(c);
    REQUIRE(report.block);
    CHECK(report.block->what == rules::BlockWhat::kSource);
    CHECK(report.key == c.key());  // from the one who opened it
    CHECK(run.outcome(c).kill.outcome == Outcome::kVerified);
    run.end();
}

namespace {

/// Of rules that block, in the order in which their blocks were reported, until so many were.
std::vector<std::uint64_t> blocks_of(ResponseRun& run, Connection& c, std::size_t count) {
    std::vector<std::uint64_t> rules;
    for (int i = 0; i < 15'000 && rules.size() < count; ++i) {
        for (const ResponseReport& report : run.take()) {
            if (report.block) rules.push_back(report.source);
        }
        run.answer(c);
        test::sleep_ms(1);
    }
    return rules;
}

}  // namespace

TEST_CASE("of several rules each has its block carried out when it comes into effect, once") {
    ResponseRun run(R"([
        {"id": 5, "filter": "tcp port 80", "block": {"ttl": "10m", "what": "source"}},
        {"id": 6, "payload": "GET /", "block": {"ttl": "1h", "what": "destination"}},
        {"id": 7, "payload": "200 OK", "block": {"what": "connection"}},
        {"id": 8, "payload": "never said", "block": {}},
        {"id": 9, "forward": ["a"]}])");
    run.start();
    Connection c;
    run.open(c);
    CHECK(blocks_of(run, c, 3) == std::vector<std::uint64_t>{5, 6, 7});
    // What they are in effect for later says nothing new.
    for (int i = 0; i < 5; ++i) run.give(c.frame(0, kAck | kPsh, "more"), 0);
    for (int i = 0; i < 20; ++i) {
        for (const ResponseReport& report : run.take()) CHECK_FALSE(report.block);
        run.answer(c);
    }
    run.end();
}

TEST_CASE("a rule's block waits while nothing is cut, and comes with the flow's next packet after that") {
    ResponseRun run(R"([{"id": 5, "filter": "tcp port 80", "block": {}, "forward": ["a"]}])");
    run.mode = ResponseMode::kOff;
    run.start();
    Connection c;
    run.open(c);
    ResponseReport report = run.outcome(c);
    CHECK_FALSE(report.block);
    CHECK(report.kill.outcome == Outcome::kRefused);
    CHECK(run.take().empty());
    run.mode = ResponseMode::kOn;
    run.give(c.frame(0, kAck | kPsh, "more"), 0);
    report = run.outcome(c);
    CHECK(report.block);
    CHECK(report.source == 5);
    run.end();
}

TEST_CASE("who is blocked is refused at the first packet; and what is there is cut") {
    ResponseRun run(kAll);
    run.start();
    Connection before;
    run.open(before);
    const std::uint64_t now = base::realtime_ns();
    REQUIRE(run.blocks.add({.target = *reset::parse_block_target("10.0.0.0/24"), .created = now}, now) ==
            reset::BlockList::Added::kNew);
    ++run.changes;
    ResponseReport report = run.outcome(before);
    CHECK(report.cause == ResponseCause::kBlock);
    CHECK(report.kill.outcome == Outcome::kVerified);
    run.sent.clear();

    Connection after{.port = 41000};
    run.give(after.frame(0, kSyn), 0);
    std::vector<std::vector<std::uint8_t>> answers;
    for (int i = 0; i < 5000 && answers.empty(); ++i) {
        answers = run.wires[0].take();
        // Some to the first one may have been on their way when the outcome was known.
        std::erase_if(answers, [&](const auto& frame) { return said(frame).key.dport != after.port; });
        test::sleep_ms(1);
    }
    REQUIRE_FALSE(answers.empty());
    const Said refusal = said(answers[0]);
    CHECK(refusal.flags == (kRst | kAck));
    CHECK(refusal.ack == after.next[0]);
    run.end();
}

TEST_CASE("a flow that a tool wants no more of is cut when somebody of it is blocked") {
    ResponseRun run(kAll);
    run.start();
    Connection c;
    run.open(c);
    run.ask(c.key(), ResponseAction::kShunt, 1);
    CHECK(run.outcome(c).action == ResponseAction::kShunt);
    run.block("10.0.0.1");
    const ResponseReport report = run.outcome(c);
    CHECK(report.cause == ResponseCause::kBlock);
    CHECK(report.kill.outcome == Outcome::kVerified);
    run.end();
}

TEST_CASE("a flow that was not seen to be dead is cut anew when somebody of it is blocked") {
    ResponseRun run(kAll);
    run.settings.kills.give_up = 50'000'000;
    run.start();
    Connection c;
    run.open(c);
    run.ask(c.key());
    ResponseReport report;
    for (int i = 0; i < 5000 && report.cookie == 0; ++i) {
        for (const ResponseReport& each : run.take()) report = each;
        for (auto& wire : run.wires) wire.take();  // nobody answers
        test::sleep_ms(1);
    }
    REQUIRE(report.kill.outcome == Outcome::kUnverified);
    run.block("10.0.0.1");
    report = run.outcome(c);
    CHECK(report.cause == ResponseCause::kBlock);
    run.end();
}

TEST_CASE("a flow that began while nothing was cut is cut by the list when it is enabled, silent or not") {
    ResponseRun run(kAll);
    run.mode = ResponseMode::kOff;
    run.block("10.0.0.1");
    run.start();
    Connection c;
    run.open(c);
    CHECK(run.outcome(c).kill.outcome == Outcome::kRefused);
    while (!run.take().empty()) {
    }
    run.mode = ResponseMode::kOn;
    ++run.changes;
    const ResponseReport report = run.outcome(c);
    CHECK(report.cause == ResponseCause::kBlock);
    CHECK(report.kill.outcome == Outcome::kVerified);
    run.end();
}

TEST_CASE("a tool may cut what it gets, and nothing else") {
    ResponseRun run(R"([{"id": 1, "filter": "port 40000", "forward": ["a"]}, {"id": 2, "forward": ["b"]}])");
    run.start();
    Connection given;
    Connection other{.port = 41000};
    run.open(given);
    run.open(other);
    run.tool.put(other.frame(1, kRst));                      // not its own
    run.tool.put(Connection{.port = 42000}.frame(0, kRst));  // not there
    run.tool.put(given.frame(0, kAck));                      // no verdict
    run.tool.put({1, 2, 3});                                 // garbage
    run.tool.put(given.frame(1, kRst));
    const ResponseReport report = run.outcome(given);
    CHECK(report.cause == ResponseCause::kTool);
    CHECK(report.source == 0);
    CHECK(report.kill.outcome == Outcome::kVerified);
    const dataplane::Stats stats = run.end();
    const dataplane::HeardStats& heard = stats.response->heard[0];
    CHECK(heard.received == 5);
    CHECK(heard.ignored == 2);
    CHECK(heard.not_given == 1);
    CHECK(heard.not_found == 1);
    CHECK(heard.verdicts == 1);
}

TEST_CASE("a tool may cut what it was given, however often the rules have changed since") {
    ResponseRun run(R"([{"id": 1, "filter": "port 40000", "forward": ["a"]}, {"id": 2, "forward": ["b"]}])");
    run.start();
    Connection given;
    Connection other{.port = 41000};
    run.open(given);
    run.open(other);
    const auto to = [](const char* tool) {
        return test::policy_of(
            test::config_with_rules(std::string(R"([{"id": 1, "forward": [")") + tool + R"("]}])"));
    };
    // The flows are idle over all of them, or go on under rules by which the tool gets nothing.
    const bool speaks = GENERATE(false, true);
    for (const char* tool : {"b", "c", "d"}) {
        run.pipeline->swap_policy(to(tool));
        if (speaks) run.give(given.frame(0, kAck | kPsh, "more"), 0);
        for (int i = 0; i < 30'000 && !run.pipeline->retire_policy(); ++i) test::sleep_ms(1);
    }
    run.tool.put(other.frame(1, kRst));  // not its own, then or now
    run.tool.put(given.frame(1, kRst));
    const ResponseReport report = run.outcome(given);
    CHECK(report.key == given.key());
    CHECK(report.cause == ResponseCause::kTool);
    CHECK(report.kill.outcome == Outcome::kVerified);
    const dataplane::Stats stats = run.end();
    CHECK(stats.response->heard[0].not_given == 1);
    CHECK(stats.response->heard[0].verdicts == 1);
}

TEST_CASE("a tool that stands in for one that is down may cut what it gets") {
    ResponseRun run(R"([{"id": 1, "forward": ["any"]}])");
    run.start();
    Connection c;
    const auto pick = [&](std::uint64_t down) {
        return run.pipeline->policy().balance_groups[0].pick(c.key().symmetric_hash(run.options.hash_seed),
                                                             down);
    };
    while (pick(0) == 1 || pick(pick(0)) != 1) ++c.port;
    run.open(c);
    run.tool.put(c.frame(1, kRst));  // too early
    for (int i = 0; i < 15'000 && run.pipeline->stats().response->heard[0].not_given == 0; ++i)
        test::sleep_ms(1);
    run.pipeline->set_down_tools(pick(0));
    run.give(c.frame(0, kAck | kPsh, "more"), 0);
    run.tool.put(c.frame(1, kRst));
    CHECK(run.outcome(c).cause == ResponseCause::kTool);
    const dataplane::Stats stats = run.end();
    CHECK(stats.response->heard[0].not_given == 1);
    CHECK(stats.response->heard[0].verdicts == 1);
}

TEST_CASE("what is being done about a flow is known") {
    ResponseRun run(kAll);
    run.start();
    Connection c;
    run.open(c);
    const auto response = [&] {
        dataplane::FlowQuestion question;
        question.key = c.key();
        while (!run.pipeline->ask_flow(0, question)) test::sleep_ms(1);
        while (!question.done.load(std::memory_order_acquire)) test::sleep_ms(1);
        REQUIRE(question.count == 1);
        return question.facts[0].response;
    };
    using Cut = dataplane::FlowResponse::Cut;
    CHECK(response().cut == Cut::kNone);
    CHECK(response().shunted == 0);
    run.ask(c.key(), ResponseAction::kShunt, 1);
    run.outcome(c);
    CHECK(response().shunted == 1);
    run.block("10.0.0.1");
    for (int i = 0; i < 15'000 && response().cut == Cut::kNone; ++i) test::sleep_ms(1);
    CHECK(response().cut == Cut::kGoesOn);
    CHECK(response().cause == ResponseCause::kBlock);
    CHECK(run.outcome(c).kill.outcome == Outcome::kVerified);
    CHECK(response().cut == Cut::kOver);
    run.end();
}

TEST_CASE("more than there is room for is refused, and every verdict gets its report") {
    ResponseRun run(kAll);
    run.settings.kills.capacity = 4;
    run.start();
    std::vector<Connection> connections(20);
    for (std::size_t i = 0; i < connections.size(); ++i) {
        connections[i].port = static_cast<std::uint16_t>(40000 + i);
        run.open(connections[i]);
    }
    for (Connection& c : connections) run.ask(c.key());
    std::set<std::uint64_t> cookies;
    unsigned limited = 0;
    for (int i = 0; i < 15'000 && cookies.size() < connections.size(); ++i) {
        for (const ResponseReport& report : run.take()) {
            CHECK(cookies.insert(report.cookie).second);
            limited += report.kill.outcome == Outcome::kRateLimited;
        }
        test::sleep_ms(1);
    }
    CHECK(cookies.size() == connections.size());
    CHECK(limited == 16);
    run.end();
}

namespace {

/// SYNs of so many hosts, one after the other.
std::vector<std::uint8_t> syn_of(std::uint32_t host) {
    net::PacketBuilder packet;
    packet.ethernet();
    packet.ipv4({11, static_cast<std::uint8_t>(host >> 16), static_cast<std::uint8_t>(host >> 8),
                 static_cast<std::uint8_t>(host)},
                {192, 0, 2, 1});
    return packet.tcp(40000, 80, kSyn, {.seq = host}).build();
}

std::uint64_t frames_made(const dataplane::Stats& stats) {
    std::uint64_t made = 0;
    for (const auto& port : stats.injected) made += port.made.packets;
    return made;
}

}  // namespace

TEST_CASE("a list that blocks everybody cuts within its bounds, and all traffic goes on") {
    constexpr std::uint32_t kHosts = 3000;
    ResponseRun run(kAll);
    run.settings.kills.capacity = 16;
    run.settings.kills.frames_per_second = 10;
    run.settings.kills.frame_burst = 50;
    const std::uint64_t now = base::realtime_ns();
    for (const char* all : {"0.0.0.0/0", "::/0"}) {
        REQUIRE(run.blocks.add({.target = *reset::parse_block_target(all), .created = now}, now) ==
                reset::BlockList::Added::kNew);
    }
    run.start();
    const auto begin = std::chrono::steady_clock::now();
    for (std::uint32_t host = 0; host < kHosts; ++host) {
        run.inboxes[host % 2].put(syn_of(host));
        if (host % 256 == 255) run.take();
    }
    run.given += kHosts;
    run.give(syn_of(kHosts), 0);
    const dataplane::Stats stats = run.end();
    const auto seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    CHECK(stats.tools[0].sent.packets == kHosts + 1);
    CHECK(stats.lost() == 0);
    CHECK(frames_made(stats) >= 16);
    // The bucket was full at first; a frame more for each tenth of a second.
    CHECK(static_cast<double>(frames_made(stats)) <= 50 + 10 * (seconds + 1));
    std::uint64_t outcomes = 0;
    for (const std::uint64_t n : stats.response->outcomes) outcomes += n;
    CHECK(stats.response->outcomes[static_cast<std::size_t>(Outcome::kRateLimited)] >= kHosts - 64);
    CHECK(outcomes <= kHosts + 1);
}

TEST_CASE("the limit of frames holds by however many ports they leave, ICMP errors among them") {
    ResponseRun run(kAll);
    run.several = true;
    run.settings.kills.frames_per_second = 10;
    run.settings.kills.frame_burst = 50;
    // As both ports of a bridge show it.
    run.heard_by = {{{0, 1}, {1, 0}}};
    const std::uint64_t now = base::realtime_ns();
    REQUIRE(run.blocks.add({.target = *reset::parse_block_target("203.0.113.9"), .created = now}, now) ==
            reset::BlockList::Added::kNew);
    run.start();
    const auto begin = std::chrono::steady_clock::now();
    std::vector<Connection> connections(32);
    for (std::size_t i = 0; i < connections.size(); ++i) {
        connections[i].port = static_cast<std::uint16_t>(40000 + i);
        run.open(connections[i]);
        run.ask(connections[i].key());
    }
    run.take();
    for (std::uint16_t port = 1; port <= 100; ++port) {
        net::PacketBuilder datagram;
        datagram.ethernet().ipv4("10.0.0.1", "203.0.113.9").udp(port, 53).payload("?");
        for (int twice = 0; twice < 2; ++twice) run.give(datagram.build(), 0);
    }
    test::sleep_ms(300);
    const dataplane::Stats stats = run.end();
    const auto seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    CHECK(frames_made(stats) >= 50);
    // A segment by two ports may owe one.
    CHECK(static_cast<double>(frames_made(stats)) <= 51 + 10 * seconds);
    CHECK(stats.injected[0].made.packets >= 20);
    CHECK(stats.injected[1].made.packets >= 20);
}

TEST_CASE("what is reported is how many frames have left, by both ports") {
    ResponseRun run(kAll);
    run.heard_by = {{{0, 1}, {1, 0}}};
    run.settings.kills.give_up = 300'000'000;
    run.start();
    Connection c;
    run.open(c);
    run.ask(c.key());
    std::vector<ResponseReport> reports;
    for (int i = 0; i < 15'000 && reports.empty(); ++i) {
        reports = run.take();
        test::sleep_ms(1);
    }
    REQUIRE(reports.size() == 1);
    CHECK(reports[0].kill.outcome == Outcome::kUnverified);
    const dataplane::Stats stats = run.end();
    CHECK(reports[0].kill.frames == frames_made(stats));
    CHECK(stats.injected[0].made.packets == stats.injected[1].made.packets);
}

TEST_CASE("a flood of verdicts is answered, each once, while traffic goes on") {
    constexpr unsigned kRounds = 400;
    ResponseRun run(kAll);
    run.settings.kills.capacity = 64;
    run.settings.kills.give_up = 500'000'000;
    run.start();
    std::vector<Connection> connections(64);
    for (std::size_t i = 0; i < connections.size(); ++i) {
        connections[i].port = static_cast<std::uint16_t>(40000 + i);
        run.open(connections[i]);
    }
    std::vector<unsigned> answers(kRounds * dataplane::ResponseExchange::kMost + 1);
    std::uint64_t answered = 0;
    const auto note = [&](const std::vector<ResponseReport>& reports) {
        for (const ResponseReport& report : reports) {
            REQUIRE(report.cookie < answers.size());
            ++answers[report.cookie];
            ++answered;
        }
    };
    for (unsigned round = 0; round < kRounds; ++round) {
        for (unsigned i = 0; i < dataplane::ResponseExchange::kMost; ++i) {
            // Half of them for flows that are not there, others for what is being cut already.
            Connection nobody{.port = static_cast<std::uint16_t>(1 + i)};
            run.ask(i % 2 == 0 ? nobody.key() : connections[i % connections.size()].key());
        }
        note(run.take());
        if (round % 16 == 0) run.give(connections[round % 64].frame(0, kAck | kPsh, "on"), 0);
    }
    for (int i = 0; i < 20'000 && answered < answers.size() - 1; ++i) {
        note(run.take());
        test::sleep_ms(1);
    }
    CHECK(answered == answers.size() - 1);
    CHECK(std::ranges::all_of(answers.begin() + 1, answers.end(), [](unsigned n) { return n == 1; }));
    const dataplane::Stats stats = run.end();
    CHECK(stats.lost() == 0);
    CHECK(stats.tools[0].sent.packets == run.given);
    // However many have asked for a cut, its frames are bounded.
    const auto of = [&](Outcome outcome) {
        return stats.response->outcomes[static_cast<std::size_t>(outcome)];
    };
    CHECK(of(Outcome::kUnverified) != 0);
    CHECK(frames_made(stats) <= (of(Outcome::kUnverified) + 64) * run.settings.kills.kill_segments);
}

TEST_CASE("a tool that answers with a RST over and over cuts once, and holds up nobody") {
    constexpr unsigned kFrames = 20'000;
    ResponseRun run(kAll);
    run.several = true;
    run.start();
    Connection loud;
    Connection quiet{.port = 41000};
    run.open(loud);
    run.open(quiet);
    for (unsigned n = 0; n < kFrames; ++n) run.tool.put(loud.frame(1, kRst));
    for (int i = 0; i < 20'000 && run.pipeline->stats().response->heard[0].received < kFrames; ++i) {
        run.answer(loud);
        test::sleep_ms(1);
    }
    std::vector<ResponseReport> reports;
    run.ask(quiet.key());
    for (int i = 0; i < 20'000; ++i) {
        for (const ResponseReport& report : run.take()) reports.push_back(report);
        const bool done = std::ranges::any_of(reports, [](const auto& report) { return report.cookie != 0; });
        if (done) break;
        run.answer(quiet);
        test::sleep_ms(1);
    }
    CHECK(std::ranges::count(reports, ResponseCause::kTool, &ResponseReport::cause) <= 1);
    const auto asked = std::ranges::find_if(reports, [](const auto& report) { return report.cookie != 0; });
    REQUIRE(asked != reports.end());
    CHECK(asked->kill.outcome == Outcome::kVerified);
    const dataplane::Stats stats = run.end();
    const dataplane::HeardStats& heard = stats.response->heard[0];
    CHECK(heard.received == kFrames);
    CHECK(heard.verdicts + heard.ring_full == kFrames);
}
