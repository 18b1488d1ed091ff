// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "app/bench/frame_set.h"
#include "dataplane/rx_stage.h"
#include "dataplane/select_stage.h"
#include "dataplane/tx_stage.h"
#include "rules/config.h"

namespace yagura::bench {

/// Hands the same packets out again and again, so that neither a copy nor a pool nor a driver is in the
/// figures. Nothing of a packet is written: to count references here and in the sink would cost more than the
/// rings do, and would be measured with them. A packet must have ended before its turn comes again, and must
/// end in the sink.
class RecyclingQueue final : public port::RxQueue {
  public:
    explicit RecyclingQueue(const FrameSet& set);

    [[nodiscard]] std::uint16_t receive(std::span<rte_mbuf*> burst) override;
    std::uint64_t handed() const { return handed_; }

  private:
    std::vector<rte_mbuf*> packets_;
    std::size_t next_ = 0;
    std::uint64_t handed_ = 0;
};

/// Counts.
class RecyclingSink final : public port::TxQueue {
  public:
    [[nodiscard]] std::uint16_t send(std::span<rte_mbuf* const> burst) override {
        sent_ += burst.size();
        return static_cast<std::uint16_t>(burst.size());
    }
    std::uint64_t sent() const { return sent_; }

  private:
    std::uint64_t sent_ = 0;
};

/// The stages of the data path with their rings, run in turn by the caller's thread: one of each, for one
/// network port. They are wired as dataplane::Pipeline does it for a live run.
class Stages {
  public:
    static constexpr std::size_t kCount = 3;
    static constexpr unsigned kRingSize = 4096;  // as in dataplane::PipelineOptions

    struct Options {
        port::RxQueue* source;
        std::vector<port::TxQueue*> sinks;  ///< by ToolId
        std::shared_ptr<const select::PolicySnapshot> policy;
        unsigned burst = 32;
        rules::Inspect inspect;
        bool keep_details = false;            ///< of flows
        rte_mempool* release_pool = nullptr;  ///< needed when the policy has payload rules
    };
    static base::Result<std::unique_ptr<Stages>> create(Options options);

    void run_burst() {
        rx_.turn();
        select_.turn();
        tx_.turn();
    }
    /// The same; adds the cycles of each stage.
    void run_burst(std::span<std::uint64_t> cycles);

    dataplane::RxStage& rx() { return rx_; }
    dataplane::SelectStage& select() { return select_; }
    dataplane::TxStage& tx() { return tx_; }
    const dataplane::RxStage& rx() const { return rx_; }
    const dataplane::SelectStage& select() const { return select_; }
    const dataplane::TxStage& tx() const { return tx_; }
    const select::Selector& selector() const { return selector_; }
    /// Something is on its way to a tool.
    bool sends() const;

  private:
    using Ring = std::unique_ptr<dataplane::PacketRing>;
    Stages(const Options& options, Ring to_select, std::vector<Ring> to_tools);

    Ring to_select_;
    std::vector<Ring> to_tools_;
    flow::BlockStore store_;
    select::Selector selector_;
    dataplane::RxStage rx_;
    dataplane::SelectStage select_;
    dataplane::TxStage tx_;
};

}  // namespace yagura::bench
