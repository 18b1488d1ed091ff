// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "dataplane/flow_draws.h"
#include "dataplane/flow_page.h"
#include "dataplane/lcore_plan.h"
#include "dataplane/poll_thread.h"
#include "dataplane/rx_stage.h"
#include "dataplane/select_stage.h"
#include "dataplane/stats.h"
#include "dataplane/tx_stage.h"
#include "rules/config.h"

namespace yagura::dataplane {

struct PipelineOptions {
    LcorePlan plan;
    std::vector<port::RxQueue*> sources;  ///< laid on the rx lcores in turn
    std::vector<port::TxQueue*> tools;    ///< by ToolId; laid on the tx lcores in turn
    std::vector<std::uint64_t> rates;     ///< by ToolId, bits per second, 0: no limit; empty: none has one
    std::size_t ports = 1;                ///< network ports
    net::LinkType link_type = net::LinkType::kEthernet;
    std::shared_ptr<const select::PolicySnapshot> policy;
    Pressure pressure = Pressure::kDrop;
    unsigned burst = 32;        ///< 1 to kMaxBurst
    unsigned ring_size = 4096;  ///< power of two, at least twice the waiting fragments
    rules::Inspect inspect;     ///< budgets of all select lcores together
    std::uint64_t hash_seed = 0;
    bool keep_details = true;   ///< of flows
    std::uint32_t epoch = 1;    ///< of the first policy, up to select::Selector::kMaxEpoch: they come round
    bool clock_stages = false;  ///< fill ThreadStats::cycles, which costs some cycles a turn
    flow::FragmentLimits fragments;
    /// Packets that were held are released in mbufs of this pool, which nothing else may take from. Needed
    /// when the policy has payload rules, or may get some.
    rte_mempool* release_pool = nullptr;
    std::string spool_folder;                     ///< for what is held, when inspect.hold_bytes is unlimited
    std::vector<FlowLog*> flow_logs;              ///< by place in plan.select; empty: none
    std::vector<select::FlowTrace*> flow_traces;  ///< likewise
};

/// The stages, the rings between them, and the threads that run them. Sources and tools stay with the caller
/// and must outlive it. All methods are the control thread's.
class Pipeline {
  public:
    static base::Result<std::unique_ptr<Pipeline>> create(PipelineOptions options);
    /// Stops the threads. Packets that are still on rings are freed.
    ~Pipeline();

    base::Result<void> start();
    /// No more packets are taken from the sources; what is inside goes on, for a tool with a rate at that
    /// rate and for TxStage::kLastSeconds.
    void stop_sources();
    /// Every source has ended, every flow too, and every packet has reached its end.
    bool drained() const;
    /// Ends the threads, after their current turn.
    void stop();

    /// Replaces the policy, for the same ports and tools, without stopping traffic. Flows are decided anew at
    /// their next packet; what payload rules have brought into effect for them stays so under rules with the
    /// same condition. A flow whose payload is being inspected goes on under the old policy, for
    /// SelectStage::kPassingNs at most; but not under the one before that, which is waited for. Returns when
    /// every thread goes by the new policy. Counts by rule begin anew. Throws std::bad_alloc, and nothing has
    /// changed.
    void swap_policy(std::shared_ptr<const select::PolicySnapshot> policy);
    /// Frees the policy before the current one when nothing goes on under it any more. False: not yet.
    bool retire_policy();

    Stats stats() const;

    std::size_t select_stages() const { return select_.size(); }
    /// Has a select stage fill the page, and set `done` of it. False when its thread is not ready to be
    /// asked; then the page is as it was. The page must stay until it is done, or the threads have stopped.
    /// While they run.
    [[nodiscard]] bool ask_flows(std::size_t select, FlowPage& page);
    /// Likewise has a select stage exchange what it draws packets into. What it draws into must stay until it
    /// has been given back, or the threads have stopped.
    [[nodiscard]] bool exchange_draws(std::size_t select, DrawsExchange& exchange);
    /// The same for one flow.
    [[nodiscard]] bool ask_flow(std::size_t select, FlowQuestion& question);
    /// Names the policy in effect: another with each swap_policy(). They come round after 65 thousand.
    std::uint32_t epoch() const { return epoch_; }

  private:
    explicit Pipeline(PipelineOptions options) : options_(std::move(options)), epoch_(options_.epoch) {}
    base::Result<void> make_rings();
    base::Result<void> make_stores();
    void make_stages();
    std::unique_ptr<select::Selector> make_selector(
        std::size_t select, std::shared_ptr<const select::PolicySnapshot> policy, std::uint32_t epoch,
        std::shared_ptr<const select::Succession> successors) const;
    void bury(std::vector<std::unique_ptr<select::Selector>>& selectors);
    std::uint32_t flows_per_select() const;
    template <class Question>
    bool ask(std::size_t select, Question& question, void (*run)(void*) noexcept);
    base::Result<void> make_threads();

    PipelineOptions options_;
    bool running_ = false;
    std::uint32_t epoch_;                                                 ///< of the selectors
    std::vector<std::vector<std::unique_ptr<PacketRing>>> select_rings_;  ///< [rx stage][select stage]
    std::vector<std::vector<std::unique_ptr<PacketRing>>> tool_rings_;    ///< [select stage][tool]
    std::vector<std::unique_ptr<flow::BlockStore>> stores_;               ///< by select stage
    std::vector<std::unique_ptr<select::Selector>> selectors_;            ///< by select stage
    std::vector<std::unique_ptr<select::Selector>> old_selectors_;        ///< of the policy before; or none
    Stats gone_;  ///< counters of policies before those
    std::vector<std::unique_ptr<RxStage>> rx_;
    std::vector<std::unique_ptr<SelectStage>> select_;
    std::vector<std::unique_ptr<TxStage>> tx_;
    std::unique_ptr<QuiescentState> quiescent_;
    std::vector<std::unique_ptr<PollThread>> threads_;  ///< last: they end first
};

}  // namespace yagura::dataplane
