// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <atomic>
#include <memory>
#include <span>
#include <vector>

#include "dataplane/rx_stage.h"
#include "dataplane/select_stage.h"
#include "dataplane/tx_stage.h"
#include "rules/config.h"

namespace yagura::bench {

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
        bool keep_details = false;                               ///< of flows
        rte_mempool* release_pool = nullptr;                     ///< needed when the policy has payload rules
        std::vector<dataplane::ToolLimit> limits = {};           ///< by ToolId; empty: none has one
        const dataplane::ResponseSettings* response = nullptr;   ///< null: connections are never cut
        const std::atomic<std::uint64_t>* down_tools = nullptr;  ///< bit per ToolId; null: none is
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
    /// Deals with what was received and is still on its way.
    void drain();

  private:
    using Ring = std::unique_ptr<dataplane::PacketRing>;
    Stages(const Options& options, Ring to_select, std::vector<Ring> to_tools);

    Ring to_select_;
    std::vector<Ring> to_tools_;
    std::vector<std::unique_ptr<dataplane::ToolQueue>> queues_;  ///< by ToolId; null without a limit
    flow::BlockStore store_;
    select::Selector selector_;
    dataplane::RxStage rx_;
    dataplane::SelectStage select_;
    dataplane::TxStage tx_;
};

}  // namespace yagura::bench
