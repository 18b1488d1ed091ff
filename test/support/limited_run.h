// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "dataplane/select_stage.h"
#include "dataplane/tx_stage.h"
#include "drivers/loop/loop.h"
#include "net/packet_builder.h"
#include "port/packet_pool.h"
#include "support/rules_from_json.h"

namespace yagura::test {

/// Conversations over time, each frame with the number of its flow in its address.
class TimedTraffic {
  public:
    struct Flow {
        std::uint64_t begin_ms = 0;
        unsigned packets = 50;
        std::uint64_t interval_us = 10'000;
        std::uint16_t port = 80;
        std::uint16_t size = 500;  ///< of a frame
        std::string first = {};    ///< payload begins with it; of packet `first_in`
        unsigned first_in = 0;
    };
    /// Returns its number.
    unsigned add(const Flow& flow) {
        const auto number = static_cast<unsigned>(flows_.size());
        for (unsigned i = 0; i < flow.packets; ++i) {
            const bool answer = i % 2 == 1;
            const net::IpAddress client{10, static_cast<std::uint8_t>(number >> 16),
                                        static_cast<std::uint8_t>(number >> 8),
                                        static_cast<std::uint8_t>(number)};
            const net::IpAddress server{192, 0, 2, 1};
            net::PacketBuilder packet;
            packet.ethernet().ipv4(answer ? server : client, answer ? client : server);
            packet.udp(answer ? flow.port : 40000, answer ? 40000 : flow.port);
            constexpr std::size_t kHeaders = 14 + 20 + 8;
            std::string text = i == flow.first_in ? flow.first : "";
            text.resize(flow.size - kHeaders, 'a');
            frames_.push_back(
                {.bytes = packet.payload(text).build(),
                 .timestamp_ns = kBegin + flow.begin_ms * 1'000'000 + i * flow.interval_us * 1000,
                 .wire_length = 0,
                 .port = {}});
        }
        flows_.push_back(flow);
        return number;
    }
    void add_frame(std::uint64_t ms, std::vector<std::uint8_t> bytes) {
        frames_.push_back({.bytes = std::move(bytes),
                           .timestamp_ns = kBegin + ms * 1'000'000,
                           .wire_length = 0,
                           .port = {}});
    }

    static unsigned flow_of(const loop::Frame& frame) {
        const std::uint8_t* ip = frame.bytes.data() + 14;
        const std::uint8_t* client = ip[12] == 10 ? ip + 12 : ip + 16;
        return static_cast<unsigned>(client[1]) << 16 | static_cast<unsigned>(client[2]) << 8 | client[3];
    }
    /// Later than now: an idle stage looks at the real clock.
    static constexpr std::uint64_t kBegin = 4'000'000'000'000'000'000;

    std::vector<loop::Frame> sorted() const {
        std::vector<loop::Frame> frames = frames_;
        std::ranges::stable_sort(frames, {}, &loop::Frame::timestamp_ns);
        return frames;
    }
    const std::vector<Flow>& flows() const { return flows_; }

  private:
    std::vector<loop::Frame> frames_;
    std::vector<Flow> flows_;
};

/// Stages in a row, run by the test's thread by a clock of its own: traffic, select stages, and the tools "a"
/// to "d" with their limits.
class LimitedRun {
  public:
    static constexpr std::uint64_t kStepNs = 100'000;

    LimitedRun(const TimedTraffic& traffic, const std::string& rules,
               std::vector<dataplane::ToolLimit> limits, std::size_t lanes = 1)
        : traffic_(traffic), source_(traffic.sorted(), pool_->get()), config_(config_with_rules(rules)) {
        now_ns = TimedTraffic::kBegin;
        limits.resize(kTools);
        for (const dataplane::ToolLimit& limit : limits)
            queues_.push_back(limit.limits() ? std::make_unique<dataplane::ToolQueue>(limit, lanes)
                                             : nullptr);
        std::vector<dataplane::ToolQueue*> queues;
        for (const auto& queue : queues_) queues.push_back(queue.get());
        const auto ring = [this](unsigned size) {
            rings_.push_back(std::move(dataplane::PacketRing::create(size).value()));
            return rings_.back().get();
        };
        std::vector<dataplane::PacketRing*> steer;
        for (std::size_t lane = 0; lane < lanes; ++lane) steer.push_back(ring(4096));
        rx_ = std::make_unique<dataplane::RxStage>(
            dataplane::RxStage::Options{.queue = &source_,
                                        .link_type = net::LinkType::kEthernet,
                                        .outputs = steer,
                                        .ports = 2,
                                        .burst = 32,
                                        .pressure = dataplane::Pressure::kDrop,
                                        .hash_seed = 0,
                                        .flow_identity = {},
                                        .fragments = {}});
        std::vector<dataplane::TxStage::Tool> tools;
        for (std::size_t tool = 0; tool < kTools; ++tool) {
            sinks.push_back(std::make_unique<loop::LoopSink>(loop::LoopSink::Keep::kFrames));
            tools.push_back({.id = base::ToolId{static_cast<std::uint8_t>(tool)},
                             .queue = sinks.back().get(),
                             .inputs = {},
                             .limit = queues[tool]});
        }
        for (std::size_t lane = 0; lane < lanes; ++lane) {
            std::vector<dataplane::PacketRing*> outputs;
            for (std::size_t tool = 0; tool < kTools; ++tool) {
                outputs.push_back(ring(limits[tool].limits() ? limits[tool].queue_packets : 16384));
                tools[tool].inputs.push_back(outputs.back());
            }
            stores_.push_back(std::make_unique<flow::BlockStore>(16 << 20));
            selectors_.push_back(std::make_unique<select::Selector>(
                policy_of(config_), select::Selector::Options{}, *stores_.back()));
            select_.push_back(std::make_unique<dataplane::SelectStage>(
                dataplane::SelectStage::Options{.feeders = {rx_.get()},
                                                .inputs = {steer[lane]},
                                                .ports = 2,
                                                .burst = 32,
                                                .pressure = dataplane::Pressure::kDrop,
                                                .flows = 16384,
                                                .timeouts = {},
                                                .hold_bytes = 64 << 10,
                                                .hash_seed = 0,
                                                .keep_details = false,
                                                .log = nullptr,
                                                .trace = nullptr},
                dataplane::ToolOutlet::Options{.tools = outputs,
                                               .limits = queues,
                                               .lane = lane,
                                               .pressure = dataplane::Pressure::kDrop,
                                               .burst = 32,
                                               .release_pool = released_->get()},
                *stores_.back(), selectors_.back().get()));
        }
        tx_ = std::make_unique<dataplane::TxStage>(
            std::move(tools), 32, dataplane::TxStage::Ticks{[] { return now_ns; }, 1'000'000'000});
    }

    /// Until the time, in milliseconds since the beginning of the traffic.
    void run_to(std::uint64_t ms) {
        for (; now_ns < TimedTraffic::kBegin + ms * 1'000'000; now_ns += kStepNs) step();
    }
    /// To the end of the traffic, and until nothing waits. Checks what must hold then.
    void finish() {
        const auto waits = [this] {
            return !rx_->done() ||
                   !std::ranges::all_of(select_, [](const auto& s) { return s->finished(); }) ||
                   std::ranges::any_of(queues_, [](const auto& q) { return q && q->waiting().packets != 0; });
        };
        for (int steps = 0; steps < 1'000'000 && waits(); ++steps, now_ns += kStepNs) step();
        REQUIRE_FALSE(waits());
        for (int i = 0; i < 1000; ++i) step();
        for (std::size_t tool = 0; tool < kTools; ++tool) {
            CAPTURE(tool);
            CHECK(offered(tool) == sent(tool) + shed(tool));
        }
        tx_.reset();
        select_.clear();
        CHECK(pool_->whole());
        CHECK(released_->whole());
    }

    base::Count offered(std::size_t tool) const {
        base::Count count = shed(tool);
        for (const auto& select : select_) count += select->counters(id(tool)).offered.get();
        return count;
    }
    base::Count sent(std::size_t tool) const { return tx_->counters(tool).sent.get(); }
    base::Count shed(std::size_t tool) const {
        base::Count count;
        if (queues_[tool] == nullptr) return count;
        for (const auto& select : select_) count += select->shedder().counters(id(tool)).shed.get();
        return count;
    }
    std::uint64_t flows_shed(std::size_t tool) const {
        std::uint64_t flows = 0;
        for (const auto& select : select_) flows += select->shedder().counters(id(tool)).flows_shed.get();
        return flows;
    }
    std::uint64_t flows_cut(std::size_t tool) const {
        std::uint64_t flows = 0;
        for (const auto& select : select_) flows += select->shedder().counters(id(tool)).flows_cut.get();
        return flows;
    }
    /// Packets that the tool got, by flow.
    std::map<unsigned, unsigned> got(std::size_t tool) const {
        std::map<unsigned, unsigned> got;
        for (const loop::Frame& frame : sinks[tool]->frames()) ++got[TimedTraffic::flow_of(frame)];
        return got;
    }
    struct Flows {
        std::vector<unsigned> whole;
        std::vector<unsigned> part;
        std::vector<unsigned> none;
    };
    Flows flows(std::size_t tool) const {
        Flows flows;
        const auto counts = got(tool);
        for (unsigned flow = 0; flow < traffic_.flows().size(); ++flow) {
            const auto found = counts.find(flow);
            const unsigned packets = found == counts.end() ? 0 : found->second;
            auto& list = packets == 0                                ? flows.none
                         : packets == traffic_.flows()[flow].packets ? flows.whole
                                                                     : flows.part;
            list.push_back(flow);
        }
        return flows;
    }
    /// The most that ever waited.
    base::Count most_waiting(std::size_t tool) const { return most_[tool]; }
    std::size_t lanes() const { return select_.size(); }
    dataplane::SelectStage& select(std::size_t lane) { return *select_[lane]; }

    std::vector<std::unique_ptr<loop::LoopSink>> sinks;  ///< by tool

  private:
    static constexpr std::size_t kTools = 4;
    static inline std::uint64_t now_ns;

    /// What is due by now.
    class Source final : public port::RxQueue {
      public:
        Source(std::vector<loop::Frame> frames, rte_mempool* pool)
            : frames_(std::move(frames)), pool_(pool) {}
        [[nodiscard]] std::uint16_t receive(std::span<rte_mbuf*> burst) override {
            std::uint16_t n = 0;
            while (n < burst.size() && next_ < frames_.size() && frames_[next_].timestamp_ns <= now_ns) {
                const loop::Frame& frame = frames_[next_];
                const auto size = static_cast<std::uint32_t>(frame.bytes.size());
                rte_mbuf* packet = port::PacketPool::make_packet(pool_, frame.bytes.data(), size);
                REQUIRE(packet != nullptr);
                port::PacketMeta& m = port::meta(packet);
                m.timestamp_ns = m.order_time = frame.timestamp_ns;
                m.order_record = next_++;
                m.order_file = 0;
                m.port = frame.port;
                m.wire_length = size;
                burst[n++] = packet;
            }
            return n;
        }
        bool exhausted() const override { return next_ == frames_.size(); }

      private:
        std::vector<loop::Frame> frames_;
        rte_mempool* pool_;
        std::size_t next_ = 0;
    };

    static base::ToolId id(std::size_t tool) { return base::ToolId{static_cast<std::uint8_t>(tool)}; }
    void step() {
        while (rx_->turn() != 0) {
            for (const auto& select : select_) {
                while (select->turn() != 0) {
                }
            }
        }
        for (const auto& select : select_) {
            while (select->turn() != 0) {
            }
        }
        for (std::size_t tool = 0; tool < kTools; ++tool) {
            if (queues_[tool] == nullptr) continue;
            const base::Count waiting = queues_[tool]->waiting();
            most_[tool].packets = std::max(most_[tool].packets, waiting.packets);
            most_[tool].bytes = std::max(most_[tool].bytes, waiting.bytes);
        }
        while (tx_->turn() != 0) {
        }
    }

    const TimedTraffic& traffic_;
    std::unique_ptr<port::PacketPool> pool_ = std::move(port::PacketPool::create("limited", 32767).value());
    std::unique_ptr<port::PacketPool> released_ =
        std::move(port::PacketPool::create("limited_held", 8191).value());
    Source source_;
    rules::Config config_;
    std::vector<std::unique_ptr<dataplane::ToolQueue>> queues_;
    std::vector<std::unique_ptr<dataplane::PacketRing>> rings_;
    std::vector<std::unique_ptr<flow::BlockStore>> stores_;
    std::vector<std::unique_ptr<select::Selector>> selectors_;
    std::unique_ptr<dataplane::RxStage> rx_;
    std::vector<std::unique_ptr<dataplane::SelectStage>> select_;
    std::unique_ptr<dataplane::TxStage> tx_;
    std::array<base::Count, kTools> most_{};
};

}  // namespace yagura::test
