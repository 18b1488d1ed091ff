// SPDX-License-Identifier: BSD-3-Clause
#include <algorithm>
#include <map>

#include "net/packet_builder.h"
#include "support/pipeline_run.h"

using namespace yagura;
using dataplane::Stats;
using select::DropReason;

namespace {

/// `flows` TCP conversations of 20 packets each, interleaved, every frame with a time stamp of its own; odd
/// packets are answers. "attack" straddles two segments of every third flow.
std::vector<loop::Frame> conversations(unsigned flows) {
    std::vector<loop::Frame> frames;
    for (unsigned round = 0; round < 20; ++round) {
        for (unsigned flow = 0; flow < flows; ++flow) {
            const net::IpAddress client{10, 0, static_cast<std::uint8_t>(flow >> 8),
                                        static_cast<std::uint8_t>(flow)};
            const net::IpAddress server{192, 0, 2, 1};
            const bool answer = round % 2 == 1;
            net::PacketBuilder packet;
            packet.ethernet().ipv4(answer ? server : client, answer ? client : server);
            const std::uint32_t seq = 1000 + static_cast<std::uint32_t>(round / 2) * 5;
            packet.tcp(answer ? 80 : 40000, answer ? 40000 : 80, net::tcp_flag::kAck, {.seq = seq});
            // "attack" straddles two segments.
            const bool attack = flow % 3 == 0 && !answer && (round == 10 || round == 12);
            packet.payload(!attack ? "hello" : round == 10 ? "hi at" : "tack!");
            frames.push_back({.bytes = packet.build(),
                              .timestamp_ns = 1'000 * (frames.size() + 1),
                              .wire_length = 0,
                              .port = base::PortId{static_cast<std::uint16_t>(answer ? 1 : 0)}});
        }
    }
    return frames;
}

std::vector<loop::Frame> in_order(std::vector<loop::Frame> frames) {
    std::ranges::sort(frames, {}, &loop::Frame::timestamp_ns);
    for (loop::Frame& frame : frames) frame.wire_length = 0;
    return frames;
}

const char* const kRules = R"([{"id": 1, "filter": "tcp port 80", "forward": ["a"]},
                               {"id": 2, "payload": ["attack"], "forward": ["d"]},
                               {"id": 3, "filter": "tcp", "forward": ["any"]}])";

}  // namespace

TEST_CASE("every tool gets the same packets whatever the lcores and the burst") {
    const auto frames = conversations(100);
    static std::map<int, std::vector<loop::Frame>> reference;
    for (const char* lcores :
         {"rx=0;select=0;tx=0", "rx=0;select=1;tx=0", "rx=0;select=1,2;tx=3", "rx=0;select=1,2,3;tx=4,5"}) {
        for (const unsigned burst : {1u, 7u, 32u, 64u}) {
            INFO(lcores << ", burst " << burst);
            test::PipelineRun run(kRules);
            run.options.plan = test::plan_of(lcores);
            run.options.burst = burst;
            run.feed(frames);
            const Stats stats = run.run();
            CHECK(stats.lost() == 0);
            CHECK(stats.ports[0].received.packets + stats.ports[1].received.packets == frames.size());
            for (int tool = 0; tool < 4; ++tool) {
                auto got = in_order(run.sinks[static_cast<std::size_t>(tool)]->frames());
                const auto [known, first] = reference.try_emplace(tool, got);
                if (!first) CHECK(got == known->second);
            }
        }
    }
    CHECK(reference[0] == in_order(frames));
    CHECK_FALSE(reference[1].empty());
    CHECK_FALSE(reference[2].empty());
    CHECK(reference[3].size() == 34 * 20);  // from the first packet on
}

TEST_CASE("with one lcore for all, packets leave in the order in which they came") {
    const auto frames = conversations(50);
    test::PipelineRun run(R"([{"id": 1, "forward": ["a"]}])");
    run.options.plan = test::plan_of("rx=0;select=0;tx=0");
    run.feed(frames);
    run.run();
    CHECK(std::ranges::is_sorted(run.sinks[0]->frames(), {}, &loop::Frame::timestamp_ns));
    CHECK(run.sinks[0]->frames().size() == frames.size());
}

TEST_CASE("a dead tool loses its own copies and nobody else's") {
    const auto frames = conversations(50);
    const auto pressure = GENERATE(dataplane::Pressure::kDrop, dataplane::Pressure::kPushBack);
    test::PipelineRun run(R"([{"id": 1, "forward": ["all"]}])");
    run.options.pressure = pressure;
    run.options.ring_size = 4096;
    run.sinks[2]->refuse(true);
    run.feed(frames);
    const Stats stats = run.run();
    for (const std::size_t tool : {0u, 1u, 3u}) {
        CHECK(in_order(run.sinks[tool]->frames()) == in_order(frames));
        CHECK(stats.tools[tool].shed_total() == base::Count{});
    }
    CHECK(stats.tools[2].offered.packets == frames.size());
    CHECK(stats.tools[2].shed[static_cast<std::size_t>(port::ShedReason::kToolFull)].packets ==
          frames.size());
    CHECK(stats.lost() == frames.size());
    CHECK(stats.ports[0].forwarded.packets + stats.ports[1].forwarded.packets == frames.size());
}

/// Takes frames up to a length, and one longer one of which it knows that it can.
class Narrow final : public port::TxQueue {
  public:
    Narrow(loop::LoopSink& sink, std::uint32_t largest, std::uint32_t exception)
        : sink_(sink), largest_(largest), exception_(exception) {}
    std::uint16_t send(std::span<rte_mbuf* const> burst) override { return sink_.send(burst); }
    std::uint32_t largest_frame() const override { return largest_; }
    bool too_large(const rte_mbuf* packet) const override { return packet->pkt_len != exception_; }

  private:
    loop::LoopSink& sink_;
    std::uint32_t largest_;
    std::uint32_t exception_;
};

TEST_CASE("a tool sheds what is too large for it, one by one, and nobody else's") {
    auto frames = conversations(50);
    const std::uint32_t exception = 1000;
    for (std::size_t i = 0; i < frames.size(); i += 3)
        frames[i].bytes.resize(i % 2 == 0 ? exception : 1500, 0);
    const auto kept = [&](const loop::Frame& frame) {
        return frame.bytes.size() <= 600 || frame.bytes.size() == exception;
    };
    test::PipelineRun run(R"([{"id": 1, "forward": ["all"]}])");
    Narrow narrow(*run.sinks[1], 600, exception);
    run.options.tools[1] = &narrow;
    run.feed(frames);
    const Stats stats = run.run();
    CHECK(in_order(run.sinks[0]->frames()) == in_order(frames));
    std::vector<loop::Frame> small;
    std::ranges::copy_if(frames, std::back_inserter(small), kept);
    CHECK(small.size() > frames.size() / 2);
    CHECK(small.size() < frames.size());
    CHECK(in_order(run.sinks[1]->frames()) == in_order(small));
    const auto& shed = stats.tools[1].shed[static_cast<std::size_t>(port::ShedReason::kTooLarge)];
    CHECK(shed == base::Count{frames.size() - small.size(), 1500 * (frames.size() - small.size())});
    CHECK(stats.tools[1].shed_total() == shed);
}

/// Traffic of which a part came cut.
class Cutting final : public port::RxQueue {
  public:
    explicit Cutting(loop::LoopSource& source) : source_(source) {}
    std::uint16_t receive(std::span<rte_mbuf*> burst) override { return source_.receive(burst); }
    bool can_wait() const override { return source_.can_wait(); }
    bool exhausted() const override { return source_.exhausted(); }
    base::Count truncated(base::PortId port) const override {
        return port.index() == 1 ? base::Count{7, 7000} : base::Count{};
    }
    std::uint64_t missed(base::PortId port) const override { return port.index() == 0 ? 3 : 0; }

  private:
    loop::LoopSource& source_;
};

TEST_CASE("what a source kept back because it was cut is in the ledger of its port") {
    const auto frames = conversations(50);
    test::PipelineRun run(R"([{"id": 1, "forward": ["all"]}])");
    run.feed(frames);
    Cutting source(*run.sources[0]);
    run.options.sources = {&source};
    const Stats stats = run.run();
    const auto truncated = static_cast<std::size_t>(DropReason::kTruncated);
    CHECK(stats.ports[0].dropped_total() == base::Count{});
    CHECK(stats.ports[1].dropped[truncated] == base::Count{7, 7000});
    CHECK(stats.ports[1].received == stats.ports[1].forwarded + base::Count{7, 7000});
    CHECK(stats.lost() == 10);
}

/// Traffic that does not wait to be polled.
class Impatient final : public port::RxQueue {
  public:
    explicit Impatient(loop::LoopSource& source) : source_(source) {}
    std::uint16_t receive(std::span<rte_mbuf*> burst) override { return source_.receive(burst); }
    bool exhausted() const override { return source_.exhausted(); }

  private:
    loop::LoopSource& source_;
};

TEST_CASE("live, a source that can wait loses nothing on the way to select") {
    test::PipelineRun run(R"([{"id": 1, "filter": "udp", "forward": ["a"]}])");
    run.options.pressure = dataplane::Pressure::kDrop;
    run.options.ring_size = 128;
    run.options.fragments.waiting = 32;
    run.options.burst = 64;
    run.feed(conversations(100), 20);
    CHECK(run.run().lost() == 0);
}

TEST_CASE("live, what does not fit on a ring is counted, and the ledger balances") {
    // A burst of 64 onto rings of 16, on lcores that share a CPU: overflow is certain.
    test::PipelineRun run(R"([{"id": 1, "filter": "tcp port 80", "forward": ["a", "b"]}])");
    run.options.pressure = dataplane::Pressure::kDrop;
    run.options.ring_size = 16;
    run.options.burst = 64;
    run.feed(conversations(100), 20);
    Impatient source(*run.sources[0]);
    run.options.sources = {&source};
    const Stats stats = run.run();
    std::uint64_t select_ring_full = 0;
    for (const auto& port : stats.ports) {
        select_ring_full += port.dropped[static_cast<std::size_t>(DropReason::kSelectRingFull)].packets;
    }
    CHECK(select_ring_full > 0);
    CHECK(stats.lost() >= select_ring_full);
    CHECK(stats.tools[0].offered.packets ==
          stats.ports[0].forwarded.packets + stats.ports[1].forwarded.packets);
}

TEST_CASE("in replay a pool too small for the rings only slows things down") {
    const auto frames = conversations(100);
    test::PipelineRun run(R"([{"id": 1, "forward": ["all"]}])", 127);
    run.options.plan = test::plan_of("rx=0;select=1,2;tx=3");
    run.feed(frames);
    const Stats stats = run.run();
    CHECK(stats.lost() == 0);
    CHECK(in_order(run.sinks[3]->frames()) == in_order(frames));
}

TEST_CASE("packets larger than a buffer are chained, shared and matched whole") {
    std::vector<loop::Frame> frames;
    for (std::uint32_t i = 0; i < 50; ++i) {
        std::string payload(10'000 + i * 1'000, 'x');
        payload.replace(payload.size() - 6, 6, "attack");  // far behind the first buffer
        frames.push_back({.bytes = net::PacketBuilder()
                                       .ethernet()
                                       .ipv4("10.0.0.1", "10.0.0.2")
                                       .udp(static_cast<std::uint16_t>(i + 1), 9)
                                       .payload(payload)
                                       .build(),
                          .timestamp_ns = i + 1,
                          .wire_length = 0,
                          .port = {}});
    }
    test::PipelineRun run(R"([{"id": 1, "payload": ["attack"], "forward": ["all"]},
                              {"id": 2, "filter": "len > 30000", "scope": "packet", "forward": ["a"]}])");
    run.feed(frames);
    const Stats stats = run.run();
    for (const auto& sink : run.sinks) CHECK(in_order(sink->frames()) == in_order(frames));
    CHECK(stats.rules[1].count.packets == 30);
}

TEST_CASE("fragments follow their flow, and those without a first one come out at the end") {
    std::vector<loop::Frame> frames;
    const auto add = [&](std::uint16_t id, std::uint16_t offset, bool more) {
        net::PacketBuilder b;
        b.ethernet().ipv4("10.0.0.1", "10.0.0.2").fragment(offset, more, id);
        if (offset == 0) {
            b.udp(1000, 53).payload("12345678");
        } else {
            b.next(17).payload("87654321");
        }
        frames.push_back(
            {.bytes = b.build(), .timestamp_ns = frames.size() + 1, .wire_length = 0, .port = {}});
    };
    add(1, 0, true);
    add(1, 16, false);
    add(2, 16, false);  // before its first
    add(2, 0, true);
    add(3, 16, false);  // whose first never comes
    test::PipelineRun run(R"([{"id": 1, "filter": "udp port 53", "forward": ["a"]}])");
    run.options.plan = test::plan_of("rx=0;select=1,2,3;tx=0");
    run.feed(frames);
    const Stats stats = run.run();
    CHECK(run.sinks[0]->frames().size() == 4);
    CHECK(stats.fragments_unmatched == 1);
    CHECK(stats.ports[0].dropped[static_cast<std::size_t>(DropReason::kNoRule)].packets == 1);
    CHECK(stats.flows == 2);
    CHECK(stats.tools[0].flows == 1);
}

TEST_CASE("when the flow table is full header rules still select everything") {
    const char* const rules =
        R"([{"id": 1, "filter": "src port 80", "forward": ["a"]}, {"id": 2, "forward": ["any"]}])";
    SECTION("flows that both sides speak for stay, others are asked packet by packet") {
        auto frames = conversations(10);
        const auto more = conversations(200);
        frames.insert(frames.end(), more.begin(), more.end());
        test::PipelineRun run(rules);
        run.options.inspect.flows = 10;
        run.feed(frames);
        const Stats stats = run.run();
        CHECK(stats.flows == 10);
        CHECK(stats.untracked == 190 * 20);
        CHECK(stats.evicted == 0);
        CHECK(in_order(run.sinks[0]->frames()) == in_order(frames));
        CHECK(stats.tools[0].flows == 10);
    }
    SECTION("flows heard from one side give way") {
        const auto frames = conversations(200);
        test::PipelineRun run(rules);
        run.options.inspect.flows = 10;
        run.feed(frames);
        const Stats stats = run.run();
        CHECK(stats.flows == 10);
        CHECK(stats.evicted > 190);
        CHECK(in_order(run.sinks[0]->frames()) == in_order(frames));
    }
}

TEST_CASE("a pipeline that is thrown away while it runs returns its packets") {
    test::PipelineRun run(R"([{"id": 1, "forward": ["all"]}])");
    run.feed(conversations(10), loop::LoopSource::kForever);
    run.start();
    test::sleep_ms(20);
    run.pipeline.reset();
    CHECK(run.pool->whole());
}

TEST_CASE("a pipeline without tools drops everything and says why") {
    test::PipelineRun run(R"([])");
    run.options.tools.clear();
    run.feed(conversations(10));
    const Stats stats = run.run();
    CHECK(stats.ports[0].dropped[static_cast<std::size_t>(DropReason::kNoRule)].packets == 100);
}
