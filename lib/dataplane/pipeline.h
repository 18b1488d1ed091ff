// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dataplane/feedback_stage.h"
#include "dataplane/flow_draws.h"
#include "dataplane/flow_page.h"
#include "dataplane/lcore_plan.h"
#include "dataplane/ledger.h"
#include "dataplane/poll_thread.h"
#include "dataplane/rx_stage.h"
#include "dataplane/select_stage.h"
#include "dataplane/stats.h"
#include "dataplane/tx_stage.h"
#include "rules/config.h"

namespace yagura::dataplane {

/// Where a source belongs. Sources of one lane are polled by one lcore, one after the other, and share the
/// rings to select: what one of them has handed over is not overtaken by what another hands over later.
struct SourcePlace {
    base::PortId port;  ///< that it is a queue of
    std::size_t lane = 0;
};

struct PipelineOptions {
    LcorePlan plan;
    std::vector<port::RxQueue*> sources;
    /// By source; lanes are laid on the rx lcores in turn, and none between two is left out. Empty: each
    /// source is that of the port with its number, in a lane of its own.
    std::vector<SourcePlace> places;
    std::vector<port::TxQueue*> tools;  ///< by ToolId; laid on the tx lcores in turn
    std::vector<ToolLimit> limits;      ///< by ToolId; empty: none has one. Not with kPushBack
    std::size_t ports = 1;              ///< network ports
    bool ports_change = false;  ///< ports come and go: there is room for kMaxPorts, or `ports` if more
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
    /// Connections may be cut; null: never. Not with kPushBack.
    const ResponseSettings* response = nullptr;
    std::vector<InjectPort> injects;        ///< by PortId; empty: no port sends
    bool listens_to_tools = false;          ///< to those that have a queue in `feedbacks`, or get one later
    std::vector<port::RxQueue*> feedbacks;  ///< by ToolId, null: the tool is not listened to; may be shorter
};

/// The stages, the rings between them, and the threads that run them. Sources and tools stay with the caller
/// and must outlive it. All methods are the control thread's.
class Pipeline {
  public:
    static base::Result<std::unique_ptr<Pipeline>> create(PipelineOptions options);
    static constexpr std::size_t kMaxPorts = 64;
    static constexpr std::size_t kMaxSources = 256;  ///< with those that come later
    /// Stops the threads. Packets that are still on rings are freed.
    ~Pipeline();

    base::Result<void> start();
    /// No more packets are taken from the sources than they hold by now; what is inside goes on, for a tool
    /// with a rate at that rate and for TxStage::kLastSeconds.
    void stop_sources();
    /// Every source has ended, every flow too, and every packet has reached its end.
    bool drained() const;
    /// Ends the threads, after their current turn.
    void stop();

    /// Replaces the policy, for the same ports and tools, without stopping traffic. Flows are decided anew at
    /// their next packet; what payload rules have brought into effect for them stays so under rules with the
    /// same condition. A flow whose payload is being inspected goes on under the old policy, for
    /// SelectStage::kPassingNs at most; but not under the one before that: unless it is ready_for_policy(),
    /// that is waited for. Returns when every thread goes by the new policy. Counts by rule begin anew.
    /// Throws std::bad_alloc, and nothing has changed.
    void swap_policy(std::shared_ptr<const select::PolicySnapshot> policy);
    /// Nothing goes on any more under the policy before the current one. False: not yet, and what does is
    /// ended from now on, some of it each turn: ask again.
    bool ready_for_policy();
    /// Frees the policy before the current one when nothing goes on under it any more. False: not yet.
    bool retire_policy();

    /// Tools that are down (bit per ToolId), in place of those so far: what would go to them goes to others
    /// of their groups, or to their standby, while there are any. Packets that were offered to them before
    /// are theirs. When it returns every select lcore goes by it.
    void set_down_tools(std::uint64_t tools);

    Stats stats() const;
    const select::PolicySnapshot& policy() const { return *options_.policy; }

    // ---- ports that come and go, while it runs or not; with ports_change. Queues stay with the caller.

    /// The PortId that the next network port gets. None: all are in use, or packets of ports that left are
    /// held, or flows still name those.
    std::optional<base::PortId> free_port();
    /// Polls these from now on, each in a lane of its own; the one with the number of a queue of `linked` in
    /// the lane of that one. `port`: free_port(). On an error nothing has changed.
    base::Result<void> add_port(base::PortId port, const std::vector<port::RxQueue*>& queues,
                                std::optional<base::PortId> linked, const InjectPort& inject = {});
    /// They are polled no more. What has been received goes its way; until that is done the port is not gone.
    void stop_port(base::PortId port);
    /// Nothing of it is between the queues and select, nor on its way out.
    bool port_stopped(base::PortId port) const;
    /// When it has stopped. Its counters are those of Stats::removed_ports from now on.
    void remove_port(base::PortId port);

    /// The ToolId that the next tool gets. None: all are in use, or flows still name tools that left.
    std::optional<base::ToolId> free_tool();
    /// `tool`: free_tool(). Gets what policies that are swapped in from now on offer it.
    base::Result<void> add_tool(base::ToolId tool, port::TxQueue* queue, const ToolLimit& limit,
                                port::RxQueue* feedback = nullptr);
    /// Of a tool that the policy offers nothing: called until it is true. What waits for it has
    /// TxStage::kLastSeconds.
    /// True when nothing waits for it, and no older policy that is still alive can offer it any.
    bool stop_tool(base::ToolId tool);
    /// When it has stopped: its queue is used no more, but that lost() is asked until forget_tool().
    void remove_tool(base::ToolId tool);
    /// When its queue has been closed. Its counters are those of Stats::removed_tools from now on.
    void forget_tool(base::ToolId tool);

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
    /// The select stages that may have a flow between these ends: one, or where flows are told apart by more
    /// than that, all.
    std::vector<std::size_t> selects_of(const net::FlowKey& key) const;
    /// Brings a select stage requests, and takes reports from it. With PipelineOptions::response.
    [[nodiscard]] bool exchange(std::size_t select, ResponseExchange& exchange);
    /// Names the policy in effect: another with each swap_policy(). They come round after 65 thousand.
    std::uint32_t epoch() const { return epoch_; }

  private:
    struct Lane {
        unsigned lcore;
        std::vector<std::unique_ptr<PacketRing>> rings;  ///< by select stage
    };
    struct Source {
        port::RxQueue* queue;
        base::PortId port;
        Lane* lane;
        std::unique_ptr<RxStage> stage;
    };
    struct Outlet {
        port::TxQueue* queue;
        unsigned lcore;
        std::vector<std::unique_ptr<PacketRing>> rings;  ///< by select stage
        std::unique_ptr<ToolQueue> limit;                ///< null: there is none
        std::unique_ptr<TxStage> stage;                  ///< null once it has been removed
    };

    /// Frames of our own by a network port.
    struct Injector {
        port::TxQueue* queue;
        unsigned lcore;
        std::vector<std::unique_ptr<PacketRing>> rings;  ///< by select stage
        std::unique_ptr<TxStage> stage;
    };

    explicit Pipeline(PipelineOptions options);
    // pipeline_parts.cc
    base::Result<std::unique_ptr<Lane>> make_lane(unsigned lcore) const;
    base::Result<void> make_sources();
    base::Result<void> make_outlets();
    base::Result<std::unique_ptr<Outlet>> make_outlet(base::ToolId tool, port::TxQueue* queue,
                                                      const ToolLimit& limit) const;
    base::Result<void> make_stores();
    void make_select_stages();
    std::unique_ptr<RxStage> make_rx_stage(port::RxQueue* queue, const Lane& lane) const;
    std::unique_ptr<select::Selector> make_selector(
        std::size_t select, std::shared_ptr<const select::PolicySnapshot> policy, std::uint32_t epoch,
        std::shared_ptr<const select::Succession> successors) const;
    std::uint32_t flows_per_select() const;
    template <class Question>
    bool ask(std::size_t select, Question& question, void (*run)(void*) noexcept);
    base::Result<std::vector<std::unique_ptr<PacketRing>>> make_rings(unsigned size) const;
    base::Result<void> make_threads();
    base::Result<PollThread*> make_thread(unsigned lcore, std::vector<PollThread::Work> work);

    void bury(std::vector<std::unique_ptr<select::Selector>>& selectors);
    static void add_counters(const select::Selector& selector, Stats& stats);
    PollThread* thread_of(unsigned lcore) const;
    base::Result<PollThread*> thread_for(unsigned lcore);
    PollThread& select_thread(std::size_t select) const { return *thread_of(options_.plan.select[select]); }
    static unsigned idlest(const std::vector<unsigned>& lcores, const std::vector<unsigned>& used);
    void forget_feeder(const RxStage* stage);
    void close_lane(const Lane& lane);
    void settle_ports();
    void settle_tools();
    // pipeline_response.cc
    base::Result<void> make_response();
    void connect_response();
    base::Result<std::unique_ptr<Injector>> make_injector(const InjectPort& inject) const;
    base::Result<void> add_injector(base::PortId port, const InjectPort& inject);
    void stop_injector(base::PortId port);
    bool injector_stopped(base::PortId port) const;
    void remove_injector(base::PortId port);
    template <class Do>
    void with_responders(Do&& work);
    void forget_in_flows(base::PortId port);
    void forget_in_flows(base::ToolId tool);
    bool flows_name_removed() const;
    void listen_to(base::ToolId tool, port::RxQueue* queue);
    InjectStats inject_sums(base::PortId port) const;
    HeardStats heard_sums(base::ToolId tool) const;
    ResponseStats response_stats() const;
    void add_response(Stats& stats) const;
    // pipeline_stats.cc
    PortSums port_sums(base::PortId port) const;
    ToolSums tool_sums(base::ToolId tool) const;
    static PortSums sums_of(const Source& source, base::PortId port);
    static ToolSums sums_of(const TxStage& stage);

    PipelineOptions options_;
    std::size_t room_for_ports_;
    bool running_ = false;
    std::uint32_t epoch_;                       ///< of the selectors
    std::atomic<std::uint64_t> down_tools_{0};  ///< bit per ToolId
    std::vector<std::unique_ptr<Lane>> lanes_;
    std::vector<std::unique_ptr<Outlet>> outlets_;                  ///< by ToolId; null: there is none
    std::vector<std::unique_ptr<flow::BlockStore>> stores_;         ///< by select stage
    std::vector<std::unique_ptr<select::Selector>> selectors_;      ///< by select stage
    std::vector<std::unique_ptr<select::Selector>> old_selectors_;  ///< of the policy before; or none
    Stats gone_;                                                    ///< counters of policies before those
    std::array<std::uint64_t, base::kMaxTools> gone_flows_{};       ///< likewise, by ToolId
    std::uint64_t closed_unmatched_ = 0;                            ///< fragments, of ports that were removed
    Ledger ledger_;
    std::vector<std::unique_ptr<Injector>> injectors_;         ///< by PortId; null: none
    std::vector<std::unique_ptr<PacketRing>> feedback_rings_;  ///< by select stage
    std::unique_ptr<FeedbackStage> feedback_;                  ///< null: no tool is listened to
    std::vector<InjectStats> injected_before_;                 ///< by PortId: by ports that have left
    std::vector<InjectStats> closed_injectors_;  ///< by PortId: what stages counted that are gone
    InjectStats removed_injected_;
    std::array<HeardStats, base::kMaxTools> heard_before_{};  ///< by ToolId: by tools that have left
    std::vector<Source> sources_;
    std::vector<std::unique_ptr<SelectStage>> select_;
    std::unique_ptr<QuiescentState> quiescent_;
    std::vector<std::unique_ptr<PollThread>> threads_;  ///< last: they end first
};

/// Has the stage's thread run this with the question, and mark it as done.
template <class Question>
bool Pipeline::ask(std::size_t select, Question& question, void (*run)(void*) noexcept) {
    question.stage = select_[select].get();
    question.message = {.run = run, .argument = &question};
    question.done.store(false, std::memory_order_relaxed);
    if (select_thread(select).post(question.message)) return true;
    question.done.store(true, std::memory_order_relaxed);
    return false;
}

}  // namespace yagura::dataplane
