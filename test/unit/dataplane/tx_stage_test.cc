// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/tx_stage.h"

#include <catch2/catch.hpp>
#include <memory>
#include <vector>

#include "drivers/loop/loop.h"
#include "port/packet_pool.h"

using namespace yagura;
using dataplane::TxStage;

namespace {

constexpr std::uint64_t kTicksPerSecond = 1'000'000;
std::uint64_t ticks;

/// A tool with a rate behind rings that the test fills, and a clock that the test moves.
class Paced {
  public:
    Paced(std::uint64_t rate, std::size_t inputs) {
        ticks = 1000;
        for (std::size_t i = 0; i < inputs; ++i)
            rings_.push_back(std::move(dataplane::PacketRing::create(1024).value()));
        std::vector<dataplane::PacketRing*> to;
        for (const auto& ring : rings_) to.push_back(ring.get());
        limit_ = std::make_unique<dataplane::ToolQueue>(
            dataplane::ToolLimit{.rate = rate, .queue_packets = 4096}, inputs);
        stage_ = std::make_unique<TxStage>(
            std::vector<TxStage::Tool>{
                {.id = base::ToolId{0}, .queue = &sink_, .inputs = to, .limit = limit_.get()},
            },
            32, TxStage::Ticks{[] { return ticks; }, kTicksPerSecond});
    }

    /// As many as fit.
    void fill(std::size_t input, std::uint16_t size) {
        while (rings_[input]->room() != 0) {
            rte_mbuf* packet = rte_pktmbuf_alloc(pool_->get());
            REQUIRE(packet != nullptr);
            REQUIRE(rte_pktmbuf_append(packet, size) != nullptr);
            REQUIRE(rings_[input]->put({&packet, 1}) == 1);
            limit_->put(input, 1, size);
            ++put_;
        }
    }
    void turn() { stage_->turn(); }
    void turn_until_idle() {
        while (stage_->turn() != 0) {
        }
    }
    void hurry() { stage_->hurry(); }
    void refuse(bool refuse) { sink_.refuse(refuse); }
    base::Count waiting() const { return limit_->waiting(); }
    base::Count sent() const { return stage_->counters(0).sent.get(); }
    std::uint64_t shed(port::ShedReason reason = port::ShedReason::kRate) const {
        return stage_->counters(0).shed[static_cast<std::size_t>(reason)].get().packets;
    }
    std::uint64_t put() const { return put_; }
    const dataplane::PacketRing& ring(std::size_t i) const { return *rings_[i]; }
    /// Everything that the stage and the rings have is given back, and the pool is whole.
    bool whole() {
        stage_.reset();
        for (const auto& ring : rings_) {
            rte_mbuf* packet = nullptr;
            while (ring->take({&packet, 1}) == 1) rte_pktmbuf_free(packet);
        }
        return pool_->whole();
    }

  private:
    std::unique_ptr<port::PacketPool> pool_ = std::move(port::PacketPool::create("tx_stage", 8191).value());
    std::vector<std::unique_ptr<dataplane::PacketRing>> rings_;
    loop::LoopSink sink_;
    std::unique_ptr<dataplane::ToolQueue> limit_;
    std::unique_ptr<TxStage> stage_;
    std::uint64_t put_ = 0;
};

}  // namespace

TEST_CASE("a tool gets its rate, whatever it is offered") {
    const std::uint64_t rate = GENERATE(1'000'000u, 100'000'000u, 1'000'000'000u);
    const std::size_t inputs = GENERATE(1u, 3u);
    Paced tool(rate, inputs);
    const auto step = [&](std::uint64_t by) {
        ticks += by;
        for (std::size_t i = 0; i < inputs; ++i) tool.fill(i, 1000);
        tool.turn_until_idle();
    };
    step(0);
    const base::Count burst = tool.sent();
    CHECK(burst.bytes >= 15'000);
    CHECK(burst.bytes <= std::max<std::uint64_t>(rate / 8 / 500, 16'384));
    // A second in turns of 100 microseconds.
    for (int n = 0; n < 10'000; ++n) step(kTicksPerSecond / 10'000);
    const auto bits = static_cast<double>(8 * (tool.sent().bytes - burst.bytes));
    CHECK(bits / static_cast<double>(rate) == Approx(1).epsilon(0.01));
    CHECK(tool.whole());
}

TEST_CASE("the inputs of a tool with a rate take turns") {
    Paced tool(8'000'000, 2);
    std::array<std::uint64_t, 2> taken{};
    for (int n = 0; n < 1000; ++n) {
        for (std::size_t i = 0; i < 2; ++i) tool.fill(i, 500);
        ticks += 1000;
        tool.turn();
        for (std::size_t i = 0; i < 2; ++i) taken[i] += tool.ring(i).room();
    }
    CHECK(taken[0] > 500);
    CHECK(static_cast<double>(taken[0]) / static_cast<double>(taken[1]) == Approx(1).epsilon(0.1));
    CHECK(tool.whole());
}

TEST_CASE("what still waits for a rate when the run ends has a second, then it is shed") {
    Paced tool(800'000, 2);
    for (std::size_t i = 0; i < 2; ++i) tool.fill(i, 1000);
    tool.turn_until_idle();
    tool.hurry();
    tool.turn_until_idle();
    const std::uint64_t before = tool.sent().packets;
    CHECK(tool.shed() == 0);
    for (int n = 0; n < 99; ++n) {
        ticks += kTicksPerSecond / 100;
        tool.turn_until_idle();
    }
    CHECK(tool.sent().packets - before == 99);
    CHECK(tool.shed() == 0);
    ticks += kTicksPerSecond / 100;
    tool.turn_until_idle();
    CHECK(tool.sent().packets - before == 100);
    CHECK(tool.sent().packets + tool.shed() == tool.put());
    CHECK(tool.waiting() == base::Count{});
    CHECK(tool.whole());
}

TEST_CASE("what a tool with a limit has no room for waits, and costs nothing of its rate") {
    const std::uint64_t rate = GENERATE(0u, 8'000'000u);
    CAPTURE(rate);
    Paced tool(rate, 1);
    tool.refuse(true);
    tool.fill(0, 1000);
    for (int n = 0; n < 1000; ++n) {
        ticks += 1000;
        tool.turn_until_idle();
    }
    CHECK(tool.sent().packets == 0);
    CHECK(tool.shed(port::ShedReason::kToolFull) == 0);
    CHECK(tool.waiting() == base::Count{tool.put(), tool.put() * 1000});
    tool.refuse(false);
    tool.turn_until_idle();
    // Without a rate all of it at once; else a burst.
    if (rate == 0) {
        CHECK(tool.sent().packets == tool.put());
    } else {
        CHECK(tool.sent().packets == 16);
    }
    CHECK(tool.waiting().packets == tool.put() - tool.sent().packets);
    CHECK(tool.whole());
}

TEST_CASE("what a tool has no room for when the run ends has a second, then it is shed") {
    Paced tool(0, 2);
    tool.refuse(true);
    for (std::size_t i = 0; i < 2; ++i) tool.fill(i, 1000);
    tool.hurry();
    tool.turn_until_idle();
    ticks += kTicksPerSecond - 1;
    tool.turn_until_idle();
    CHECK(tool.waiting().packets == tool.put());
    ticks += 1;
    tool.turn_until_idle();
    CHECK(tool.waiting() == base::Count{});
    CHECK(tool.shed() + tool.shed(port::ShedReason::kToolFull) == tool.put());
    CHECK(tool.whole());
}
