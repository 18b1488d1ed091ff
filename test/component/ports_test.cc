// SPDX-License-Identifier: BSD-3-Clause
// Ports that come and go while packets flow.
#include <map>

#include "net/packet_builder.h"
#include "support/held_traffic.h"
#include "support/pipeline_run.h"

using namespace yagura;
using base::PortId;
using base::ToolId;
using dataplane::Stats;
using test::remove;

namespace {

std::unique_ptr<loop::LoopSource> endless(PortId port, rte_mempool* pool) {
    return std::make_unique<loop::LoopSource>(loop::make_frames({.flows = 100, .size = 64}, port),
                                              loop::LoopSource::kForever, pool);
}

std::uint64_t received(const Stats& stats, PortId port) {
    return port.index() < stats.ports.size() ? stats.ports[port.index()].received.packets : 0;
}

}  // namespace

TEST_CASE("ports and tools come and go a hundred times, and nothing is lost") {
    const char* lcores = GENERATE("rx=0;select=0;tx=0", "rx=0,4;select=1,2,3;tx=5,6");
    INFO(lcores);
    test::PipelineRun run(R"([{"id": 1, "forward": ["a"]}])");
    run.sinks.clear();
    run.options.tools.clear();
    for (int tool = 0; tool < 4; ++tool) {
        run.sinks.push_back(std::make_unique<loop::LoopSink>());
        run.options.tools.push_back(run.sinks.back().get());
    }
    run.options.plan = test::plan_of(lcores);
    // As live: the sources wait for room, and a tool that does not keep up sheds copies of its own.
    run.options.pressure = dataplane::Pressure::kDrop;
    run.options.ports_change = true;
    run.options.ports = 1;
    run.sources.push_back(endless(PortId{0}, run.pool->get()));
    run.options.sources = {run.sources[0].get()};
    dataplane::Pipeline& pipeline = run.start();
    const auto to_a = run.options.policy;
    const auto to_both = test::policy_of(test::config_with_rules(R"([{"id": 1, "forward": ["a", "d"]}])"));

    std::uint64_t by_d = 0;
    std::uint64_t gone = 0;
    for (int round = 0; round < 100; ++round) {
        const std::optional<PortId> port = pipeline.free_port();
        REQUIRE(port == PortId{1});
        const auto first = endless(*port, run.pool->get());
        const auto second = endless(*port, run.pool->get());
        const auto linked = round % 2 == 0 ? std::optional(PortId{0}) : std::nullopt;
        REQUIRE(pipeline.add_port(*port, {first.get(), second.get()}, linked).ok());
        pipeline.swap_policy(to_both);
        while (received(pipeline.stats(), *port) < 100 || pipeline.stats().tools[3].sent.packets < 100)
            test::sleep_ms(1);
        remove(pipeline, *port);
        pipeline.swap_policy(to_a);
        remove(pipeline, ToolId{3});
        by_d += run.sinks[3]->packets();
        REQUIRE(run.sinks[3]->close().ok());
        pipeline.forget_tool(ToolId{3});
        REQUIRE(pipeline.free_tool() == ToolId{3});
        run.sinks[3] = std::make_unique<loop::LoopSink>();
        REQUIRE(pipeline.add_tool(ToolId{3}, run.sinks[3].get(), {}).ok());
        const Stats now = pipeline.stats();
        CHECK(now.removed_ports.received.packets >= gone + 100);
        gone = now.removed_ports.received.packets;
        CHECK(now.removed_tools.sent.packets == by_d);
        CHECK(now.tools[3].offered == base::Count{});
    }
    pipeline.stop_sources();
    const Stats stats = run.finish();
    const auto all = stats.ports[0].received + stats.removed_ports.received;
    CHECK(stats.ports[0].forwarded + stats.removed_ports.forwarded == all);
    CHECK(stats.tools[0].offered == all);
    CHECK(stats.tools[0].sent + stats.tools[0].shed_total() == all);
    CHECK(run.sinks[0]->packets() == stats.tools[0].sent.packets);
    CHECK(stats.removed_tools.sent.packets == by_d);
}

TEST_CASE("a tool that comes with a limit has whole flows shed, and leaves no limit behind") {
    const char* lcores = GENERATE("rx=0;select=0;tx=0", "rx=0;select=1,2;tx=3");
    INFO(lcores);
    test::PipelineRun run(R"([{"id": 1, "forward": ["a"]}])");
    run.sinks.clear();
    run.options.tools.clear();
    for (int tool = 0; tool < 3; ++tool) {
        run.sinks.push_back(std::make_unique<loop::LoopSink>());
        run.options.tools.push_back(run.sinks.back().get());
    }
    run.sinks.push_back(std::make_unique<loop::LoopSink>());
    run.options.plan = test::plan_of(lcores);
    run.options.pressure = dataplane::Pressure::kDrop;
    run.options.ports_change = true;
    run.options.ports = 1;
    run.sources.push_back(endless(PortId{0}, run.pool->get()));
    run.options.sources = {run.sources[0].get()};
    dataplane::Pipeline& pipeline = run.start();
    const auto to_a = run.options.policy;
    const auto to_both = test::policy_of(test::config_with_rules(R"([{"id": 1, "forward": ["a", "d"]}])"));
    const auto flow_shed = [&] {
        return pipeline.stats().tools[3].shed[static_cast<std::size_t>(port::ShedReason::kFlowShed)].packets;
    };
    for (const bool limited : {true, false, true}) {
        const dataplane::ToolLimit limit{.rate = 80'000, .queue_packets = 16, .queue_bytes = 16'384};
        run.sinks[3] = std::make_unique<loop::LoopSink>();
        REQUIRE(
            pipeline.add_tool(ToolId{3}, run.sinks[3].get(), limited ? limit : dataplane::ToolLimit{}).ok());
        pipeline.swap_policy(to_both);
        while (limited ? flow_shed() < 1000 : pipeline.stats().tools[3].sent.packets < 1000)
            test::sleep_ms(1);
        if (!limited) CHECK(flow_shed() == 0);
        if (limited) CHECK(pipeline.stats().tools[3].flows_shed + pipeline.stats().tools[3].flows_cut > 0);
        pipeline.swap_policy(to_a);
        remove(pipeline, ToolId{3});
        REQUIRE(run.sinks[3]->close().ok());
        pipeline.forget_tool(ToolId{3});
    }
    pipeline.stop_sources();
    const Stats stats = run.finish();
    CHECK(stats.removed_tools.shed[static_cast<std::size_t>(port::ShedReason::kFlowShed)].packets >= 2000);
    CHECK(stats.removed_tools.offered == stats.removed_tools.sent + stats.removed_tools.shed_total());
    CHECK(stats.tools[0].offered == stats.ports[0].forwarded);
}

TEST_CASE("the last network port can go, and another one come") {
    test::PipelineRun run(R"([{"id": 1, "forward": ["a"]}])");
    run.options.ports_change = true;
    run.options.ports = 1;
    const auto frames = loop::make_frames({.flows = 10, .size = 64}, PortId{0});
    run.sources.push_back(endless(PortId{0}, run.pool->get()));
    run.options.sources = {run.sources[0].get()};
    run.sinks[0] = std::make_unique<loop::LoopSink>();
    run.options.tools[0] = run.sinks[0].get();
    dataplane::Pipeline& pipeline = run.start();
    while (received(pipeline.stats(), PortId{0}) == 0) test::sleep_ms(1);
    remove(pipeline, PortId{0});
    CHECK_FALSE(pipeline.drained());
    REQUIRE(pipeline.free_port() == PortId{0});
    loop::LoopSource source(frames, 7, run.pool->get());
    REQUIRE(pipeline.add_port(PortId{0}, {&source}, std::nullopt).ok());
    const Stats stats = run.finish();
    CHECK(stats.ports[0].received.packets == 70);
    CHECK(stats.ports[0].forwarded.packets == 70);

    SECTION("but not when the run has come to its end") {
        CHECK_FALSE(pipeline.add_port(PortId{1}, {&source}, std::nullopt).ok());
    }
}

TEST_CASE("without any network port the end comes when it is asked for") {
    test::PipelineRun run(R"([{"id": 1, "forward": ["a"]}])");
    run.options.ports_change = true;
    run.options.ports = 1;
    run.sources.push_back(endless(PortId{0}, run.pool->get()));
    run.options.sources = {run.sources[0].get()};
    run.sinks[0] = std::make_unique<loop::LoopSink>();
    run.options.tools[0] = run.sinks[0].get();
    dataplane::Pipeline& pipeline = run.start();
    remove(pipeline, PortId{0});
    pipeline.stop_sources();
    run.finish();
}

TEST_CASE("a place is free again when nothing of its port is held") {
    // A flow that could still match is held.
    test::PipelineRun run(R"([{"id": 1, "payload": ["never to be seen"], "forward": ["a"]}])");
    run.options.ports_change = true;
    run.options.ports = 2;
    const auto frame = net::PacketBuilder()
                           .ethernet()
                           .ipv4({10, 0, 0, 1}, {10, 0, 0, 2})
                           .tcp(1000, 80, net::tcp_flag::kSyn, {.seq = 1})
                           .build();
    loop::LoopSource held({{.bytes = frame, .timestamp_ns = 1, .wire_length = 0, .port = PortId{1}}}, 1,
                          run.pool->get());
    run.sources.push_back(endless(PortId{0}, run.pool->get()));
    run.options.sources = {run.sources[0].get(), &held};
    dataplane::Pipeline& pipeline = run.start();
    while (pipeline.stats().ports[1].held.packets != 1) test::sleep_ms(1);
    remove(pipeline, PortId{1});
    CHECK(pipeline.free_port() == PortId{2});
    CHECK(pipeline.stats().removed_ports.held.packets == 1);
    pipeline.stop_sources();
    const Stats stats = run.finish();
    CHECK(stats.removed_ports.held.packets == 0);
    CHECK(stats.removed_ports.received.packets == 1);
}

namespace {

/// One direction of a link: gives a packet of each exchange, in their order, after the other direction has
/// given its own. Both are polled by one thread.
class Direction final : public port::RxQueue {
  public:
    struct Link {
        std::array<std::uint64_t, 2> given{};
    };
    Direction(Link& link, std::uint16_t side, std::uint64_t count, rte_mempool* pool)
        : link_(link), side_(side), count_(count), pool_(pool) {}
    std::uint16_t receive(std::span<rte_mbuf*> burst) override {
        std::uint16_t n = 0;
        std::uint64_t& next = link_.given[side_];
        const std::uint64_t ready = side_ == 0 ? count_ : link_.given[0];
        while (n < burst.size() && next < ready) {
            const net::IpAddress client{10, 0, static_cast<std::uint8_t>(next >> 8),
                                        static_cast<std::uint8_t>(next)};
            const net::IpAddress server{192, 0, 2, 1};
            net::PacketBuilder packet;
            packet.ethernet().ipv4(side_ == 0 ? client : server, side_ == 0 ? server : client);
            packet.tcp(side_ == 0 ? 40000 : 80, side_ == 0 ? 80 : 40000, net::tcp_flag::kAck, {.seq = 1});
            const auto bytes = packet.build();
            rte_mbuf* mbuf = port::PacketPool::make_packet(pool_, bytes.data(), std::uint32_t(bytes.size()));
            if (mbuf == nullptr) break;
            port::PacketMeta& m = port::meta(mbuf);
            m.timestamp_ns = m.order_time = next + 1;
            m.order_record = next;
            m.order_file = 0;
            m.port = PortId{side_};
            m.wire_length = std::uint32_t(bytes.size());
            burst[n++] = mbuf;
            ++next;
        }
        return n;
    }
    bool can_wait() const override { return true; }
    bool exhausted() const override { return link_.given[side_] == count_; }

  private:
    Link& link_;
    std::uint16_t side_;
    std::uint64_t count_;
    rte_mempool* pool_;
};

}  // namespace

TEST_CASE("an answer on a link is not overtaking its question") {
    constexpr std::uint64_t kExchanges = 20'000;
    test::PipelineRun run(R"([{"id": 1, "forward": ["a"]}])");
    Direction::Link link;
    Direction out(link, 0, kExchanges, run.pool->get());
    Direction back(link, 1, kExchanges, run.pool->get());
    run.options.plan = test::plan_of("rx=0,4;select=1;tx=2");
    run.options.sources = {&out, &back};
    run.options.places = {{PortId{0}, 0}, {PortId{1}, 0}};
    run.run();
    std::array<std::uint64_t, 2> seen{};
    std::uint64_t overtaken = 0;
    for (const loop::Frame& frame : run.sinks[0]->frames()) {
        ++seen[frame.port.index()];
        overtaken += seen[1] > seen[0];
    }
    CHECK(seen == std::array<std::uint64_t, 2>{kExchanges, kExchanges});
    CHECK(overtaken == 0);
}

namespace {

/// A datagram of two fragments to port 2000, as frames of port 0 with these time stamps.
std::vector<loop::Frame> fragments(std::uint16_t id, std::uint64_t timestamp_ns) {
    net::PacketBuilder ip;
    ip.ethernet().ipv4("10.0.0.1", "10.0.0.2");
    const auto first =
        net::PacketBuilder(ip).fragment(0, true, id).udp(1000, 2000).payload("12345678").build();
    const auto later = net::PacketBuilder(ip).fragment(16, false, id).next(17).payload("12345678").build();
    return {{.bytes = first, .timestamp_ns = timestamp_ns, .wire_length = 0, .port = PortId{0}},
            {.bytes = later, .timestamp_ns = timestamp_ns + 1, .wire_length = 0, .port = PortId{0}}};
}

}  // namespace

TEST_CASE("fragments find their flow when they come by one queue, and only then") {
    test::PipelineRun run(R"([{"id": 1, "filter": "udp port 2000", "forward": ["a"]},
                              {"id": 2, "filter": "udp", "forward": ["b"]}])");
    run.options.plan = test::plan_of("rx=0,4;select=1,2;tx=3");
    run.options.ports = 1;
    run.options.places = {{PortId{0}, 0}, {PortId{0}, 1}};
    const bool together = GENERATE(true, false);
    std::vector<loop::Frame> one;
    std::vector<loop::Frame> other;
    for (std::uint16_t id = 1; id <= 50; ++id) {
        const auto datagram = fragments(id, 1000u * id);
        one.push_back(datagram[0]);
        (together ? one : other).push_back(datagram[1]);
    }
    run.feed(one);
    run.feed(other);
    const Stats stats = run.run();
    CHECK(stats.ports[0].received.packets == 100);
    CHECK(stats.tools[0].sent.packets == (together ? 100 : 50));
    CHECK(stats.tools[1].sent.packets == 100);
    CHECK(stats.fragments_unmatched == (together ? 0 : 50));
}
