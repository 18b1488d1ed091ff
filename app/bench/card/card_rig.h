// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <vector>

#include "app/bench/card/other_cpu.h"
#include "app/bench/card/packet_circle.h"
#include "app/bench/card/packet_writer.h"
#include "app/bench/card/prediction.h"
#include "app/bench/measure.h"
#include "app/bench/stage_rig.h"
#include "drivers/loop/loop.h"

namespace yagura::bench {

/// Hands out what it was given, once.
class LoadedQueue final : public port::RxQueue {
  public:
    void load(std::span<rte_mbuf* const> packets) { rest_ = packets; }
    [[nodiscard]] std::uint16_t receive(std::span<rte_mbuf*> burst) override;

  private:
    std::span<rte_mbuf* const> rest_;
};

/// The stages with some policy and some traffic, as one thing that is measured.
class CardRig {
  public:
    struct Options {
        PacketCircle* circle;
        std::unique_ptr<PacketWriter> writer;
        std::shared_ptr<const select::PolicySnapshot> policy;
        rules::Inspect inspect;
        std::size_t tools = 1;
        bool keep_details = false;
        rte_mempool* release_pool = nullptr;
        std::vector<dataplane::ToolLimit> limits = {};          ///< by ToolId; empty: none has one
        const dataplane::ResponseSettings* response = nullptr;  ///< null: connections are never cut
        std::uint64_t down_tools = 0;                           ///< bit per ToolId
        /// Where select runs; null: with the others. Then the stages have a chunk each in turn, so that what
        /// is measured is the cost of work that comes from another CPU, and no waiting.
        OtherCpu* select_on = nullptr;
    };
    static base::Result<std::unique_ptr<CardRig>> create(Options options);

    static constexpr unsigned kChunk = 1024;  ///< packets that are written, then timed, at once
    static constexpr std::size_t kParts = Stages::kCount;

    /// Plays what comes before the traffic is as it will be.
    void open();
    /// Its parts are the stages' cycles; what is not in them is the writing of the packets. A turn in which
    /// the CPU was evidently given to somebody else counts as an average one.
    Subject subject();
    /// From here on it is counted.
    void mark();
    /// Per packet since mark().
    Events events() const;
    /// Of frames, since mark().
    double bytes_per_packet() const;
    /// By rule, packets since the beginning.
    std::vector<select::DecisionTable::RuleCount> rule_counts() const;
    /// What went in has come out or is held, and nothing was lost but by the rules.
    base::Result<void> check() const;
    /// Where budgets were short, in words; empty when nowhere.
    std::vector<std::string> shortages() const;

  private:
    explicit CardRig(Options options)
        : options_(std::move(options)), down_tools_(options_.down_tools), sinks_(options_.tools) {}
    void play(std::size_t packets, std::span<std::uint64_t> cycles);
    void play_together(std::size_t bursts, std::span<std::uint64_t> cycles);
    void play_apart(std::size_t bursts, std::span<std::uint64_t> cycles);
    void clock(std::size_t stage, std::uint64_t cycles, std::span<std::uint64_t> sums);

    struct Counts {
        std::uint64_t taken = 0;
        std::uint64_t bytes = 0;
        std::uint64_t forwarded = 0;
        std::uint64_t parked = 0;
        std::uint64_t offered = 0;
        std::uint64_t limited = 0;  ///< offered to tools with a limit
        std::uint64_t scanned = 0;
        WrittenPackets written;
    };
    Counts counts() const;

    Options options_;
    std::atomic<std::uint64_t> down_tools_;
    LoadedQueue queue_;
    std::vector<loop::LoopSink> sinks_;
    std::unique_ptr<Stages> stages_;
    Counts mark_;
    std::array<double, kParts> usual_{};  ///< cycles of a stage's turn, lately
};

}  // namespace yagura::bench
