// SPDX-License-Identifier: BSD-3-Clause
#include "drivers/ethdev/ethdev.h"

#include <rte_ethdev.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "net/packet_builder.h"
#include "support/pipeline_run.h"

using namespace yagura;
using ethdev::EthdevPort;

namespace {

std::vector<std::uint8_t> tcp_frame(std::uint16_t sport) {
    return net::PacketBuilder()
        .ethernet()
        .ipv4("10.0.0.1", "10.0.0.2")
        .tcp(sport, 80)
        .payload("hello")
        .build();
}

}  // namespace

TEST_CASE("net_null gives packets without end and takes all it is given") {
    test::PipelineRun run(R"([{"id": 1, "forward": ["a"]}])");
    {
        auto source = EthdevPort::open("net_null0,size=60", run.pool->get(), base::PortId{0}, {});
        auto tool = EthdevPort::open("net_null1", run.pool->get(), base::PortId{}, {});
        REQUIRE(source.ok());
        REQUIRE(tool.ok());
        run.options.sources = (*source)->queues();
        run.options.tools[0] = tool->get();
        dataplane::Pipeline& pipeline = run.start();
        while (pipeline.stats().tools[0].sent.packets < 1000) test::sleep_ms(1);
        pipeline.stop_sources();
        const dataplane::Stats stats = run.finish();
        CHECK(stats.ports[0].received.packets == stats.tools[0].sent.packets);
        CHECK(stats.ports[0].received.bytes == 60 * stats.ports[0].received.packets);
        run.pipeline.reset();
    }
    CHECK(run.pool->whole());
}

TEST_CASE("each of a device's queues is a source, and its port is their sum") {
    test::PipelineRun run(R"([{"id": 1, "forward": ["a"]}])");
    {
        auto source = EthdevPort::open("net_null7,size=60", run.pool->get(), base::PortId{0}, {.queues = 3});
        REQUIRE(source.ok());
        CHECK((*source)->choices() == "3 receive queues, symmetric RSS");
        const auto queues = (*source)->queues();
        REQUIRE(queues.size() == 3);
        run.options.plan = test::plan_of("rx=0,4;select=1,2;tx=3");
        run.options.ports = 1;
        run.options.sources = queues;
        run.options.places = {{base::PortId{0}, 0}, {base::PortId{0}, 1}, {base::PortId{0}, 2}};
        run.sinks[0] = std::make_unique<loop::LoopSink>();
        run.options.tools[0] = run.sinks[0].get();
        dataplane::Pipeline& pipeline = run.start();
        while (pipeline.stats().tools[0].sent.packets < 10'000) test::sleep_ms(1);
        pipeline.stop_sources();
        const dataplane::Stats stats = run.finish();
        CHECK(stats.ports[0].received.packets == stats.tools[0].sent.packets);
        run.pipeline.reset();
    }
    CHECK(run.pool->whole());
}

TEST_CASE("packets of every queue of a device are received, and queues that it has not are refused") {
    test::PipelineRun run(R"([{"id": 1, "forward": ["a"]}])");
    {
        // It has a ring for each lcore, and what is sent by one comes back by the same.
        auto source = EthdevPort::open("net_ring8", run.pool->get(), base::PortId{0}, {.queues = 4});
        REQUIRE(source.ok());
        CHECK((*source)->choices() == "4 receive queues, no RSS");
        for (std::uint16_t queue = 0; queue < 4; ++queue) {
            const auto frame = tcp_frame(queue);
            rte_mbuf* packet = port::PacketPool::make_packet(run.pool->get(), frame.data(),
                                                             static_cast<std::uint32_t>(frame.size()));
            REQUIRE(rte_eth_tx_burst((*source)->dpdk_port(), queue, &packet, 1) == 1);
            std::array<rte_mbuf*, 4> burst;
            REQUIRE((*source)->queue(queue).receive(burst) == 1);
            CHECK(std::memcmp(rte_pktmbuf_mtod(burst[0], const void*), frame.data(), frame.size()) == 0);
            rte_pktmbuf_free(burst[0]);
        }
        auto many = EthdevPort::open("net_ring9", run.pool->get(), base::PortId{0}, {.queues = 64});
        REQUIRE_FALSE(many.ok());
        CHECK_THAT(many.error().message, Catch::Matchers::Contains("write \"queues\""));
    }
    CHECK(run.pool->whole());
}

TEST_CASE("net_ring carries packets in and out, and one that nobody reads sheds what it cannot hold") {
    test::PipelineRun run(
        R"([{"id": 1, "filter": "src port 1", "forward": ["a"]}, {"id": 2, "filter": "src port 2", "forward": ["b"]}])");
    {
        auto source = EthdevPort::open("net_ring0", run.pool->get(), base::PortId{0}, {});
        auto tool = EthdevPort::open("net_ring1", run.pool->get(), base::PortId{}, {});
        REQUIRE(source.ok());
        REQUIRE(tool.ok());
        run.options.sources = (*source)->queues();
        run.options.tools[0] = tool->get();
        run.options.pressure = dataplane::Pressure::kDrop;
        run.options.ring_size = 4096;
        dataplane::Pipeline& pipeline = run.start();

        // A ring device gives back what is sent into it: the test is the network, and does not read the tool.
        std::uint64_t fed = 0;
        for (unsigned i = 0; i < 3000; ++i) {
            const auto frame = tcp_frame(static_cast<std::uint16_t>(1 + i % 2));
            rte_mbuf* packet = port::PacketPool::make_packet(run.pool->get(), frame.data(),
                                                             static_cast<std::uint32_t>(frame.size()));
            REQUIRE(packet != nullptr);
            while (rte_eth_tx_burst((*source)->dpdk_port(), 0, &packet, 1) == 0) test::sleep_ms(1);
            ++fed;
        }
        while (pipeline.stats().ports[0].received.packets < fed) test::sleep_ms(1);
        pipeline.stop_sources();
        // The pool is not whole yet: the ring device holds packets that nobody has read.
        for (int i = 0; i < 30'000 && !pipeline.drained(); ++i) test::sleep_ms(1);
        pipeline.stop();
        const dataplane::Stats stats = pipeline.stats();
        CHECK(stats.balanced());
        CHECK(stats.tools[0].offered.packets == 1500);
        CHECK(stats.tools[0].sent.packets < 1500);
        CHECK(stats.tools[0].shed[static_cast<std::size_t>(port::ShedReason::kToolFull)].packets ==
              1500 - stats.tools[0].sent.packets);
        CHECK(stats.tools[1].sent.packets == 1500);

        std::uint64_t in_device = 0;
        rte_mbuf* packet = nullptr;
        while (rte_eth_rx_burst((*tool)->dpdk_port(), 0, &packet, 1) == 1) {
            ++in_device;
            rte_pktmbuf_free(packet);
        }
        CHECK(in_device == stats.tools[0].sent.packets);
        run.pipeline.reset();
    }
    CHECK(run.pool->whole());
}

TEST_CASE("net_pcap reads a file and writes one") {
    char folder[] = "/tmp/yagura-ethdev-XXXXXX";
    REQUIRE(mkdtemp(folder) != nullptr);
    const std::string in = std::string(folder) + "/in.pcap";
    const std::string out = std::string(folder) + "/out.pcap";
    {
        std::ofstream file(in, std::ios::binary);
        const std::uint32_t header[] = {0xa1b2c3d4, 0x00040002, 0, 0, 65535, 1};
        file.write(reinterpret_cast<const char*>(header), sizeof header);
        for (std::uint16_t i = 1; i <= 100; ++i) {
            const auto frame = tcp_frame(i);
            const auto size = static_cast<std::uint32_t>(frame.size());
            const std::uint32_t record[] = {i, 0, size, size};
            file.write(reinterpret_cast<const char*>(record), sizeof record);
            file.write(reinterpret_cast<const char*>(frame.data()), size);
        }
    }
    test::PipelineRun run(R"([{"id": 1, "forward": ["a", "b"]}])");
    {
        auto source = EthdevPort::open("net_pcap0,rx_pcap=" + in, run.pool->get(), base::PortId{0}, {});
        auto tool = EthdevPort::open("net_pcap1,tx_pcap=" + out, run.pool->get(), base::PortId{}, {});
        REQUIRE(source.ok());
        REQUIRE(tool.ok());
        run.options.sources = (*source)->queues();
        run.options.tools[0] = tool->get();
        dataplane::Pipeline& pipeline = run.start();
        while (pipeline.stats().tools[0].sent.packets < 100) test::sleep_ms(1);
        pipeline.stop_sources();
        run.finish();
        run.pipeline.reset();
    }
    CHECK(run.pool->whole());
    std::ifstream written(out, std::ios::binary | std::ios::ate);
    CHECK(static_cast<std::uint64_t>(written.tellg()) == 24 + 100 * (16 + tcp_frame(1).size()));
    CHECK(run.sinks[1]->frames().size() == 100);
    CHECK(run.sinks[1]->frames()[41].bytes == tcp_frame(42));
    std::remove(in.c_str());
    std::remove(out.c_str());
    rmdir(folder);
}

TEST_CASE("a packet of another program's pool is taken into our own") {
    rte_mempool* foreign =
        rte_pktmbuf_pool_create("foreign", 63, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
    REQUIRE(foreign != nullptr);
    test::PipelineRun run(R"([{"id": 1, "forward": ["a"]}])");
    {
        auto source = EthdevPort::open("net_ring2", run.pool->get(), base::PortId{0}, {});
        REQUIRE(source.ok());
        const auto frame = tcp_frame(7);
        rte_mbuf* packet = rte_pktmbuf_alloc(foreign);
        std::memcpy(rte_pktmbuf_append(packet, static_cast<std::uint16_t>(frame.size())), frame.data(),
                    frame.size());
        REQUIRE(rte_eth_tx_burst((*source)->dpdk_port(), 0, &packet, 1) == 1);
        run.options.sources = (*source)->queues();
        dataplane::Pipeline& pipeline = run.start();
        while (pipeline.stats().tools[0].sent.packets < 1) test::sleep_ms(1);
        pipeline.stop_sources();
        run.finish();
        CHECK(run.sinks[0]->frames()[0].bytes == frame);
        run.pipeline.reset();
    }
    CHECK(rte_mempool_avail_count(foreign) == 63);
    rte_mempool_free(foreign);
}

TEST_CASE("packets of two pools in one burst keep their order, also while there is no buffer for a copy") {
    rte_mempool* foreign =
        rte_pktmbuf_pool_create("foreign2", 63, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
    REQUIRE(foreign != nullptr);
    auto own = std::move(port::PacketPool::create("own2", 15).value());
    {
        auto source = EthdevPort::open("net_ring3", own->get(), base::PortId{3}, {});
        REQUIRE(source.ok());
        constexpr std::uint16_t kPackets = 8;
        for (std::uint16_t i = 0; i < kPackets; ++i) {  // ours, ours, foreign, ours, ours, foreign ...
            const auto frame = tcp_frame(i);
            rte_mbuf* packet = rte_pktmbuf_alloc(i % 3 == 2 ? foreign : own->get());
            std::memcpy(rte_pktmbuf_append(packet, static_cast<std::uint16_t>(frame.size())), frame.data(),
                        frame.size());
            REQUIRE(rte_eth_tx_burst((*source)->dpdk_port(), 0, &packet, 1) == 1);
        }
        std::vector<rte_mbuf*> hoard;
        while (rte_mbuf* packet = rte_pktmbuf_alloc(own->get())) hoard.push_back(packet);
        std::array<rte_mbuf*, 32> burst;
        REQUIRE((*source)->queue(0).receive(burst) == 2);
        REQUIRE((*source)->queue(0).receive(std::span(burst).subspan(2)) == 0);
        for (rte_mbuf* packet : hoard) rte_pktmbuf_free(packet);
        REQUIRE((*source)->queue(0).receive(std::span(burst).subspan(2, 4)) == 4);
        REQUIRE((*source)->queue(0).receive(std::span(burst).subspan(6)) == 2);
        for (std::uint16_t i = 0; i < kPackets; ++i) {
            const port::PacketMeta& m = port::meta(burst[i]);
            const auto frame = tcp_frame(i);
            CHECK(m.order_record == i);
            CHECK(m.port == base::PortId{3});
            CHECK(m.wire_length == frame.size());
            CHECK(m.order_time >= m.timestamp_ns);
            CHECK(std::memcmp(rte_pktmbuf_mtod(burst[i], const void*), frame.data(), frame.size()) == 0);
            rte_pktmbuf_free(burst[i]);
        }
    }
    CHECK(own->whole());
    CHECK(rte_mempool_avail_count(foreign) == 63);
    rte_mempool_free(foreign);
}

TEST_CASE("a device that cannot be opened says which and why") {
    test::PipelineRun run(R"([])");
    const auto opened = EthdevPort::open("net_no_such0", run.pool->get(), base::PortId{0}, {});
    REQUIRE_FALSE(opened.ok());
    CHECK_THAT(opened.error().message, Catch::Matchers::Contains("net_no_such0"));
}
