// SPDX-License-Identifier: BSD-3-Clause
#include <cstdlib>

#include "net/packet_builder.h"
#include "support/allocations.h"
#include "support/pipeline_run.h"
#include "support/skip.h"

using namespace yagura;

namespace {

/// Everything that the hot path knows: flows of several kinds, payloads that hit and miss, fragments in and
/// out of order, packets without flow, malformed ones, chained ones.
std::vector<loop::Frame> mixed_traffic() {
    std::vector<loop::Frame> frames;
    const auto add = [&](std::vector<std::uint8_t> bytes) {
        frames.push_back({.bytes = std::move(bytes),
                          .timestamp_ns = frames.size() * 1'000'000,
                          .wire_length = 0,
                          .port = {}});
    };
    for (std::uint8_t i = 0; i < 200; ++i) {
        const net::IpAddress client{10, 0, 0, i};
        const net::IpAddress server{192, 0, 2, 1};
        net::PacketBuilder ip;
        ip.ethernet().ipv4(client, server);
        add(net::PacketBuilder(ip).tcp(40000, 80, net::tcp_flag::kSyn).build());
        add(net::PacketBuilder(ip).tcp(40000, 80).payload(i % 2 == 0 ? "GET /attack" : "GET /index").build());
        add(net::PacketBuilder(ip).udp(40000, 53).payload("query").build());
        add(net::PacketBuilder(ip).fragment(8, false, i).next(17).payload("12345678").build());
        add(net::PacketBuilder(ip).fragment(0, true, i).udp(1, 2).payload("12345678").build());
        add(net::PacketBuilder().ethernet().arp().build());
        auto malformed = net::PacketBuilder(ip).tcp(40000, 80).build();
        malformed[14] = 0x44;
        add(std::move(malformed));
    }
    add(net::PacketBuilder()
            .ethernet()
            .ipv4("10.1.1.1", "10.1.1.2")
            .udp(7, 7)
            .payload(std::string(9000, 'z'))
            .build());
    return frames;
}

}  // namespace

TEST_CASE("the count sees an allocation") {
    if (!test::AllocationCount::works()) SKIP_TEST("a sanitizer has an allocator of its own");
    const test::AllocationCount count;
    void* volatile c = std::malloc(1);
    std::free(c);
    auto* volatile cxx = new int;
    delete cxx;
    CHECK(count.so_far() == 2);
}

TEST_CASE("no thread allocates once packets flow") {
    if (!test::AllocationCount::works()) SKIP_TEST("a sanitizer has an allocator of its own");
    test::PipelineRun run(R"([{"id": 1, "filter": "tcp[tcpflags] & tcp-syn != 0", "forward": ["a"]},
                              {"id": 2, "payload": ["attack", "/que.y/"], "forward": ["b", "any"]},
                              {"id": 3, "filter": "arp", "forward": ["c"]},
                              {"id": 4, "malformed": true, "scope": "packet", "forward": ["d"]},
                              {"id": 5, "filter": "net 10.1.0.0/16", "forward": ["all"]}])");
    run.sinks.clear();
    run.options.tools.clear();
    for (int tool = 0; tool < 4; ++tool) {
        run.sinks.push_back(std::make_unique<loop::LoopSink>());
        run.options.tools.push_back(run.sinks.back().get());
    }
    run.options.plan = test::plan_of("rx=0;select=1,2;tx=3");
    run.feed(mixed_traffic(), loop::LoopSource::kForever);
    dataplane::Pipeline& pipeline = run.start();
    // From the first packet on, but for what a thread's first turn sets up.
    while (pipeline.stats().ports[0].received.packets < 100) test::sleep_ms(1);
    std::uint64_t before = 0;
    std::uint64_t allocated = 0;
    std::uint64_t after = 0;
    {
        before = pipeline.stats().ports[0].received.packets;
        const test::AllocationCount count;
        for (int i = 0; i < 300; ++i) test::sleep_ms(1);
        allocated = count.so_far();
    }
    after = pipeline.stats().ports[0].received.packets;
    CHECK(after > before + 1000);
    CHECK(allocated == 0);
    pipeline.stop_sources();
    const dataplane::Stats stats = run.finish();
    for (const auto& tool : stats.tools) CHECK(tool.sent.packets > 0);
}
