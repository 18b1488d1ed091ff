// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <vector>

#include "base/counter.h"
#include "dataplane/flow_draws.h"
#include "dataplane/flow_log.h"
#include "dataplane/flow_page.h"
#include "dataplane/flow_question.h"
#include "dataplane/flow_shedder.h"
#include "dataplane/responder.h"
#include "dataplane/rx_stage.h"
#include "dataplane/stage.h"
#include "dataplane/tool_outlet.h"
#include "flow/block_store.h"
#include "flow/flow_table.h"
#include "port/packet.h"
#include "select/selector.h"

namespace yagura::dataplane {

/// Owns the flows that are steered to it: looks each packet's flow up, asks the policy, holds the packets of
/// undecided flows, and offers packets to the tools of the verdict. Several tools share one packet by
/// reference count; what nobody gets is freed in bulk. When nothing more can come, every flow ends here.
///
/// A burst is dealt with one turn after it was taken: where its flows lie is fetched in between.
class SelectStage : public Stage {
  public:
    struct Options {
        std::vector<const RxStage*> feeders;  ///< all that put packets on its inputs; none: it never ends
        std::vector<PacketRing*> inputs;      ///< of each at least one feeder puts packets on it
        std::size_t ports;                    ///< PortIds are below
        unsigned burst;
        Pressure pressure;
        std::uint32_t flows;  ///< capacity
        flow::FlowTimeouts timeouts;
        std::uint64_t hold_bytes;  ///< of frames, per flow
        std::uint64_t hash_seed;   ///< RxStage's
        bool keep_details;         ///< fill FlowDetails
        FlowLog* log;              ///< null, or with keep_details
        select::FlowTrace* trace;  ///< null, or the selectors' too
        /// Bit per ToolId: tools that are down, whose flows go elsewhere from the next turn on. Null: none
        /// is.
        const std::atomic<std::uint64_t>* down_tools = nullptr;
        /// Connections may be cut; null: never. Shared by so many stages.
        const ResponseSettings* response = nullptr;
        std::size_t response_stages = 1;
        bool flow_has_domain = false;    ///< flows are told apart by more than their ends
        PacketRing* feedback = nullptr;  ///< FeedbackStage's; null: tools are not listened to
    };
    /// `selector` stays with the caller, until another is published and this thread has been quiescent since;
    /// the store for good.
    SelectStage(Options options, const ToolOutlet::Options& outlet, flow::BlockStore& store,
                select::Selector* selector);
    ~SelectStage() override;  ///< frees what it has taken and not dealt with
    SelectStage(const SelectStage&) = delete;
    SelectStage& operator=(const SelectStage&) = delete;

    /// Of a live stage; a replay waits for nothing, and may be short.
    void take_memory() noexcept override;
    unsigned turn() override;

    /// The next turn goes by this selector. What is inspected under the one before goes on under that one,
    /// for kPassingNs at most; of any before that, nothing is left after the turn, which may take long: ask
    /// end_passing_soon() before. Control thread.
    void publish(select::Selector* selector) { next_selector_.store(selector, std::memory_order_release); }
    static constexpr std::uint64_t kPassingNs = 30'000'000'000;
    /// The selector before the current one, while something goes on under it; else null. Any thread: when it
    /// is null, and the stage's thread has been quiescent since, the old selector is not used any more.
    const select::Selector* passing() const { return passing_shown_.load(std::memory_order_acquire); }
    /// What goes on under it has no more time: a few inspections end each turn. Control thread.
    void end_passing_soon() { passing_hurries_.store(true, std::memory_order_relaxed); }
    /// Takes up what was published, and leaves the one before. While no thread runs the stage.
    void adopt_now() {
        adopt_policy();
        end_passing();
    }

    /// The feeders are done, every packet has been dealt with, and every flow has ended. Any thread.
    bool finished() const { return finished_.load(std::memory_order_acquire) && !outlet_.waits(); }

    /// A feeder more, and its input if that is new (else null); up to kMaxInputs of each. False, and nothing
    /// is changed, when flows have begun to end because no packet would come any more. Like what follows, its
    /// own thread's, between two turns.
    [[nodiscard]] bool add_feeder(const RxStage* feeder, PacketRing* input) noexcept;
    /// The stage does not wait for it any more; what it still puts on its input is dealt with.
    void remove_feeder(const RxStage* feeder) noexcept;
    void remove_input(const PacketRing* input) noexcept;
    /// Whom a tool's packets go to; null while nothing is offered to it. With a limit: its queue, and what
    /// shedder().make_tool() made for it, which is exchanged for that of the tool before.
    void set_tool(base::ToolId tool, PacketRing* ring, ToolQueue* limit,
                  std::unique_ptr<FlowShedder::Tool>& shed) noexcept {
        outlet_.set_tool(tool, ring, limit);
        shedder_.set_tool(tool, shed);
        limited_ = shedder_.limited();
    }
    static constexpr std::size_t kMaxInputs = 512;
    /// No feeder will be added any more: without any, too, every flow ends now. Any thread.
    void no_more_feeders() { no_more_feeders_.store(true, std::memory_order_relaxed); }

    /// A burst was taken that is not wholly dealt with. Owner's thread.
    bool has_taken() const { return next_->count != 0 || at_ != burst_->count; }

    const SelectPortCounters& counters(base::PortId port) const { return port_counters_[port.index()]; }
    const ToolOutlet::ToolCounters& counters(base::ToolId tool) const { return outlet_.counters(tool); }
    struct FlowCounters {
        base::Counter untracked;     ///< packets whose flow found no room in the table
        base::Counter evicted;       ///< flows that ended early, for others in a full table
        base::Counter hold_refused;  ///< flows whose hold ended before hold_bytes for want of room
    };
    const FlowCounters& flow_counters() const { return flow_counters_; }
    const FlowShedder& shedder() const { return shedder_; }
    const flow::BlockStore& store() const { return store_; }
    const flow::FlowTable& flows() const { return flows_; }

    /// Fills the page, but for `done`. Its own thread, between two turns.
    void copy_flows(FlowPage& page) const noexcept;
    /// Draws into what the exchange brings from now on, and gives back what it has drawn into so far. Its own
    /// thread, between two turns.
    void exchange_draws(DrawsExchange& exchange) noexcept;
    /// Answers the question, but for `done`. Likewise.
    void answer(FlowQuestion& question) noexcept;
    /// Null when connections are never cut. Its own thread's, but for its counters.
    Responder* responder() { return responder_.get(); }
    const Responder* responder() const { return responder_.get(); }

  private:
    FlowFacts facts_of(std::uint32_t index) noexcept;
    bool adopt_policy();
    /// The new policy learns what the old one has found out about the flow, if it is not at it still.
    void pass_on(flow::FlowEntry& flow, std::uint32_t index, std::uint64_t hash) {
        if (passing_ == nullptr || flow.epoch != passing_->epoch() || passing_->inspects(flow)) [[likely]]
            return;
        if (responder_ != nullptr) responder_->keep_given(index, passing_->offered_tools(flow));
        selector_->succeed(flow, index, hash, *passing_);
    }
    void pass_entries(std::uint32_t looks);
    bool end_inspections(std::uint32_t most);
    void forget_others();
    void pass_some();
    void end_passing();
    void show_passing(select::Selector* passing);
    /// Whose inspection the flow has, or will have.
    select::Selector& selector_of(const flow::FlowEntry& flow) {
        return passing_ != nullptr && passing_->inspects(flow) ? *passing_ : *selector_;
    }
    /// Who knows what the numbers in it mean.
    const select::Selector& knower_of(const flow::FlowEntry& flow) const {
        return passing_ != nullptr && passing_->epoch() == flow.epoch ? *passing_ : *selector_;
    }
    /// Who gets the flow now, as far as is known.
    std::uint64_t tools_of(const select::Selector& selector, const flow::FlowEntry& flow) const;
    bool inspects(const flow::FlowEntry& flow) { return selector_of(flow).inspects(flow); }
    std::uint32_t oldest_inspected() const;
    std::uint32_t oldest_one_sided() const;
    /// Packets of settled flows in a row that go by the same decision: they are counted and offered together.
    struct SettledRun {
        unsigned first = 0;  ///< its place in burst_
        unsigned packets = 0;
        std::uint64_t bytes = 0;
        std::uint32_t decision = select::DecisionTable::kFull;
        std::uint32_t joined_by = select::DecisionTable::kFull;  ///< whose packets; kFull: nobody's
        base::PortId port{};
        select::DropReason reason{};
        std::uint64_t tools = 0;
    };
    bool may_begin();
    void begin();
    void look_elsewhere();
    void draw_packets();
    void take(PacketRing& input);
    unsigned go_on();
    void fetch_ahead();
    bool take_settled(unsigned place, SettledRun& run);
    SettledRun begin_run(unsigned place, const flow::FlowEntry& flow, base::PortId port) const;
    void end_run(const SettledRun& run);
    // What tools with a limit do not take is shed by the flow.
    void offer_run(const SettledRun& run);
    void offer_limited(rte_mbuf* packet, std::uint32_t index, std::uint64_t tools,
                       const select::Selector& selector);
    std::uint64_t shed_of_flow(std::uint32_t index, std::uint64_t hash, std::uint64_t tools,
                               std::uint32_t bytes, const base::Count& first,
                               const select::Selector& selector);
    std::uint64_t shed_held(flow::HeldPacket& held, std::uint32_t index, std::uint64_t hash,
                            std::uint64_t fresh, const base::Count& first, const select::Selector& selector);
    void select_one(rte_mbuf* packet, std::uint32_t candidate);
    /// Who gets the copies of these tools, when some are down or have been switched.
    std::uint64_t reached(const select::Selector& selector, std::span<const match::RuleIndex> rules,
                          std::uint64_t tools, std::uint64_t hash, const flow::FlowEntry* flow) const {
        if ((tools & (down_ | taken_over_)) == 0) [[likely]]
            return tools;
        return redirected(selector, rules, tools, hash, flow);
    }
    std::uint64_t redirected(const select::Selector& selector, std::span<const match::RuleIndex> rules,
                             std::uint64_t tools, std::uint64_t hash, const flow::FlowEntry* flow) const;
    flow::FlowTable::Found find(const port::PacketMeta& m, std::uint32_t candidate);
    bool make_room(std::uint64_t hash);
    enum class Hold : std::uint8_t { kNotAsked, kHeld, kFull, kShort };
    // Whose flow it is must be known before it is asked anything: by the flow it cannot be told afterwards.
    Hold hold(select::Selector& selector, const match::PacketView& packet, const port::PacketMeta& m,
              flow::FlowEntry& flow, std::uint32_t index, const select::Verdict& verdict,
              std::uint64_t gone_to);
    void resolve_held(select::Selector& selector, std::uint32_t index, bool closed);
    void free_chain(flow::BlockStore::Chain& chain);
    // With a responder.
    bool take_own(rte_mbuf* packet);
    bool respond(std::uint32_t index, unsigned from, bool begins, rte_mbuf* packet);
    /// Tools that want no more of the flow but its end.
    std::uint64_t shunted_from(const flow::FlowEntry& flow, std::uint32_t index) const {
        return responder_ == nullptr || !flow.watched ? 0 : responder_->shunted(index);
    }
    static bool ends_flow(const port::PacketMeta& m);
    unsigned hear_tools();
    void end_inspection(std::uint32_t index, select::Selector::End end);
    void let_go(std::uint32_t index);
    void end_flow(std::uint32_t index, select::FlowEnd why);
    void trace_packet(const select::Selector& selector, const match::PacketView& packet,
                      const port::PacketMeta& m, std::uint32_t index);
    void sweep(unsigned handled);
    void finish();
    void count_flow(flow::FlowDetails& details, const port::PacketMeta& m, std::uint32_t captured,
                    bool inserted);

    Options options_;
    flow::BlockStore& store_;
    select::Selector* selector_;
    std::atomic<select::Selector*> next_selector_;
    select::Selector* passing_ = nullptr;  ///< the one before, while something goes on under it
    std::atomic<const select::Selector*> passing_shown_{nullptr};
    std::atomic<bool> passing_hurries_{false};
    std::uint64_t passing_ends_ns_ = 0;
    std::uint32_t passed_ = 0;  ///< indices below have been passed on
    flow::FlowTable flows_;
    std::vector<SelectPortCounters> port_counters_;
    FlowCounters flow_counters_;
    ToolOutlet outlet_;
    FlowShedder shedder_;
    std::uint64_t limited_ = 0;  ///< bit per tool that has a limit
    std::unique_ptr<Responder> responder_;
    std::unique_ptr<port::FrameBuffer> buffer_;

    struct Arrival {
        base::PortId port;
        std::uint64_t packets;
        std::uint64_t bytes;
    };
    struct Taken {
        std::array<rte_mbuf*, kMaxBurst> packets;
        std::array<std::uint64_t, kMaxBurst> hashes;  ///< of their flows
        std::array<Arrival, kMaxBurst> arrived;  ///< what it has of each port, by stretches of the same one
        unsigned count = 0;
        unsigned arrivals = 0;
    };
    /// One burst is being dealt with; it stops when the outlet has to wait. The other was taken since: what
    /// memory holds of its flows comes meanwhile.
    std::array<Taken, 2> taken_;
    Taken* burst_ = &taken_[0];
    Taken* next_ = &taken_[1];
    std::array<std::uint32_t, kMaxBurst> candidates_;  ///< what FlowTable::candidate() said of burst_
    std::uint64_t elsewhere_ = 0;                      ///< bit per packet: it said kElsewhere
    unsigned at_ = 0;                                  ///< packets of burst_ that were dealt with
    std::array<rte_mbuf*, kMaxBurst> unwanted_;
    unsigned unwanted_count_ = 0;

    std::uint64_t down_ = 0;        ///< Options::down_tools, as of this turn
    std::uint64_t taken_over_ = 0;  ///< tools whose flows under the policy before are another's
    std::uint64_t now_ns_ = 0;      ///< latest PacketMeta::order_time
    std::uint32_t looks_ = 0;       ///< that the sweep has left
    unsigned idle_turns_ = 0;
    FlowDraws* draws_ = nullptr;        ///< null while nobody asks which flows are busy
    std::uint32_t finished_flows_ = 0;  ///< indices below have ended
    std::atomic<bool> finished_{false};
    std::atomic<bool> no_more_feeders_{false};
};

}  // namespace yagura::dataplane
