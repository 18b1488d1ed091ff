// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/pipeline.h"

#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <chrono>
#include <new>
#include <utility>

namespace yagura::dataplane {
namespace {

void free_all(PacketRing& ring) {
    std::array<rte_mbuf*, kMaxBurst> burst;
    while (const unsigned n = ring.take(burst)) rte_pktmbuf_free_bulk(burst.data(), n);
}

/// Of a store in a file: what its index can address. The disk is the limit.
constexpr std::uint64_t kSpoolLimit = std::uint64_t{1} << 40;

/// What is counted from the start on, whatever policies come and go.
void add_counters(const select::Selector& selector, Stats& stats) {
    stats.decision_overflows += selector.decision_overflows();
    stats.uninspected += selector.uninspected();
    stats.let_go += selector.let_go();
    stats.incomplete += selector.incomplete();
    stats.streams.add(selector.inspector().counters());
    for (std::size_t i = 0; i < stats.tools.size(); ++i)
        stats.tools[i].flows += selector.tool_flows(base::ToolId{static_cast<std::uint8_t>(i)});
}

std::uint64_t nanoseconds(std::chrono::nanoseconds duration) {
    return static_cast<std::uint64_t>(duration.count());
}

}  // namespace

base::Result<std::unique_ptr<Pipeline>> Pipeline::create(PipelineOptions options) {
    const std::uint64_t flows = options.inspect.flows;
    try {
        std::unique_ptr<Pipeline> pipeline(new Pipeline(std::move(options)));
        if (auto made = pipeline->make_rings(); !made) return made.error();
        if (auto made = pipeline->make_stores(); !made) return made.error();
        pipeline->make_stages();
        if (auto made = pipeline->make_threads(); !made) return made.error();
        return pipeline;
    } catch (const std::bad_alloc&) {
        constexpr std::uint64_t kPerFlow = sizeof(flow::FlowEntry) + sizeof(flow::FlowDetails) + 16;
        return base::Error{
            fmt::format("no memory for the flow tables: {} flows take up to {} MiB; lower inspect.flows",
                        flows, kPerFlow * flows >> 20)};
    }
}

base::Result<void> Pipeline::make_rings() {
    // A source is polled by one rx lcore; an lcore without a source has nothing to do.
    select_rings_.resize(options_.sources.size());
    tool_rings_.resize(options_.plan.select.size());
    for (std::size_t select = 0; select < tool_rings_.size(); ++select) {
        for (std::size_t rx = 0; rx < select_rings_.size(); ++rx) {
            auto ring = PacketRing::create(options_.ring_size);
            if (!ring) return ring.error();
            select_rings_[rx].push_back(std::move(ring).value());
        }
        for (std::size_t tool = 0; tool < options_.tools.size(); ++tool) {
            auto ring = PacketRing::create(options_.ring_size);
            if (!ring) return ring.error();
            tool_rings_[select].push_back(std::move(ring).value());
        }
    }
    return {};
}

base::Result<void> Pipeline::make_stores() {
    if (options_.policy->rules->group_count() != 0 && options_.release_pool == nullptr) {
        return base::Error{"payload rules need a pool for the packets that are released"};
    }
    const std::size_t selects = tool_rings_.size();
    for (std::size_t i = 0; i < selects; ++i) {
        if (options_.inspect.hold_bytes != rules::Inspect::kUnlimited) {
            stores_.push_back(std::make_unique<flow::BlockStore>(options_.inspect.hold_budget / selects));
            continue;
        }
        auto store = flow::BlockStore::in_file(options_.spool_folder, kSpoolLimit);
        if (!store) return store.error();
        stores_.push_back(std::move(store).value());
    }
    return {};
}

std::unique_ptr<select::Selector> Pipeline::make_selector(
    std::size_t select, std::shared_ptr<const select::PolicySnapshot> policy, std::uint32_t epoch,
    std::shared_ptr<const select::Succession> successors) const {
    const std::size_t selects = tool_rings_.size();
    const rules::Inspect& inspect = options_.inspect;
    const select::Selector::Options options{
        .epoch = epoch,
        .inspect = {.stream_depth = inspect.stream_depth,
                    .reorder_bytes = static_cast<std::uint32_t>(inspect.reorder_bytes),
                    .stream_budget = inspect.stream_budget / selects,
                    .flows = flows_per_select()},
        .when_short = inspect.when_short,
        .trace = options_.flow_traces.empty() ? nullptr : options_.flow_traces[select],
        .successors = std::move(successors)};
    return std::make_unique<select::Selector>(std::move(policy), options, *stores_[select]);
}

std::uint32_t Pipeline::flows_per_select() const {
    const std::size_t selects = tool_rings_.size();
    return static_cast<std::uint32_t>((options_.inspect.flows + selects - 1) / selects);
}

void Pipeline::make_stages() {
    const std::size_t selects = tool_rings_.size();
    const auto raw = [](const std::vector<std::unique_ptr<PacketRing>>& rings) {
        std::vector<PacketRing*> pointers;
        for (const auto& ring : rings) pointers.push_back(ring.get());
        return pointers;
    };
    for (std::size_t i = 0; i < options_.sources.size(); ++i) {
        rx_.push_back(std::make_unique<RxStage>(
            RxStage::Options{.queue = options_.sources[i],
                             .link_type = options_.link_type,
                             .outputs = raw(select_rings_[i]),
                             .ports = options_.ports,
                             .burst = options_.burst,
                             .pressure = options_.pressure,
                             .hash_seed = options_.hash_seed,
                             .flow_identity = {.vlan = options_.inspect.key_has_vlan,
                                               .tunnel = options_.inspect.key_has_tunnel},
                             .fragments = options_.fragments}));
    }
    for (std::size_t i = 0; i < selects; ++i) {
        std::vector<PacketRing*> inputs;
        for (const auto& rings : select_rings_) inputs.push_back(rings[i].get());
        selectors_.push_back(make_selector(i, options_.policy, epoch_, nullptr));
        const auto& timeouts = options_.inspect.timeouts;
        std::vector<const RxStage*> feeders;
        for (const auto& rx : rx_) feeders.push_back(rx.get());
        select_.push_back(std::make_unique<SelectStage>(
            SelectStage::Options{.feeders = std::move(feeders),
                                 .inputs = std::move(inputs),
                                 .ports = options_.ports,
                                 .burst = options_.burst,
                                 .pressure = options_.pressure,
                                 .flows = flows_per_select(),
                                 .timeouts = {.tcp_opening = nanoseconds(timeouts.tcp_opening),
                                              .tcp = nanoseconds(timeouts.tcp),
                                              .tcp_closed = nanoseconds(timeouts.tcp_closed),
                                              .udp = nanoseconds(timeouts.udp),
                                              .other = nanoseconds(timeouts.other)},
                                 .hold_bytes = options_.inspect.hold_bytes,
                                 .hash_seed = options_.hash_seed,
                                 .keep_details = options_.keep_details,
                                 .log = options_.flow_logs.empty() ? nullptr : options_.flow_logs[i],
                                 .trace = options_.flow_traces.empty() ? nullptr : options_.flow_traces[i]},
            ToolOutlet::Options{.tools = raw(tool_rings_[i]),
                                .pressure = options_.pressure,
                                .burst = options_.burst,
                                .release_pool = options_.release_pool},
            *stores_[i], selectors_.back().get()));
    }
    std::vector<std::vector<TxStage::Tool>> tools(std::min(options_.plan.tx.size(), options_.tools.size()));
    for (std::size_t tool = 0; tool < options_.tools.size(); ++tool) {
        std::vector<PacketRing*> inputs;
        for (const auto& rings : tool_rings_) inputs.push_back(rings[tool].get());
        tools[tool % tools.size()].push_back({.id = base::ToolId{static_cast<std::uint8_t>(tool)},
                                              .queue = options_.tools[tool],
                                              .inputs = std::move(inputs),
                                              .rate = options_.rates.empty() ? 0 : options_.rates[tool]});
    }
    for (auto& list : tools) tx_.push_back(std::make_unique<TxStage>(std::move(list), options_.burst));
}

base::Result<void> Pipeline::make_threads() {
    quiescent_ = std::make_unique<QuiescentState>(static_cast<unsigned>(options_.plan.lcores.size()));
    for (const LcorePlan::Lcore& lcore : options_.plan.lcores) {
        std::vector<PollThread::Work> work;
        const auto add = [&](StageKind kind, const std::vector<unsigned>& plan, const auto& all) {
            for (std::size_t i = 0; i < all.size(); ++i) {
                if (plan[i % plan.size()] == lcore.id) work.push_back({.stage = all[i].get(), .kind = kind});
            }
        };
        add(StageKind::kRx, options_.plan.rx, rx_);
        add(StageKind::kSelect, options_.plan.select, select_);
        add(StageKind::kTx, options_.plan.tx, tx_);
        if (work.empty()) continue;
        auto thread =
            PollThread::create({.lcore = lcore.id,
                                .index = static_cast<unsigned>(threads_.size()),
                                .yields = lcore.shares_cpu || options_.pressure == Pressure::kPushBack,
                                .clocked = options_.clock_stages},
                               std::move(work), *quiescent_);
        if (!thread) return thread.error();
        threads_.push_back(std::move(thread).value());
    }
    return {};
}

Pipeline::~Pipeline() {
    stop();
    for (auto* matrix : {&select_rings_, &tool_rings_}) {
        for (const auto& rings : *matrix) {
            for (const auto& ring : rings) free_all(*ring);
        }
    }
}

base::Result<void> Pipeline::start() {
    running_ = true;
    for (const auto& thread : threads_) {
        if (auto started = thread->start(); !started) return started;
    }
    return {};
}

void Pipeline::stop_sources() {
    for (const auto& rx : rx_) rx->stop_polling();
    for (const auto& tx : tx_) tx->hurry();
}

bool Pipeline::drained() const {
    if (!std::ranges::all_of(rx_, [](const auto& rx) { return rx->done(); })) return false;
    if (!std::ranges::all_of(select_, [](const auto& select) { return select->finished(); })) return false;
    const Stats now = stats();
    const bool quiet =
        std::ranges::all_of(now.ports, [](const PortStats& p) { return p.in_flight == base::Count{}; });
    return quiet && std::ranges::all_of(
                        now.tools, [](const ToolStats& t) { return t.offered == t.sent + t.shed_total(); });
}

void Pipeline::stop() {
    for (const auto& thread : threads_) thread->stop();
    running_ = false;
}

void Pipeline::swap_policy(std::shared_ptr<const select::PolicySnapshot> policy) {
    // After 65 thousand policies a flow that was idle over all of them could be taken for one of the new
    // ones.
    const std::uint32_t epoch = epoch_ == select::Selector::kMaxEpoch ? 1 : epoch_ + 1;
    const auto successors = select::succession(*options_.policy, *policy);
    std::vector<std::unique_ptr<select::Selector>> fresh;
    for (std::size_t i = 0; i < select_.size(); ++i)
        fresh.push_back(make_selector(i, policy, epoch, successors));
    // Two are alive at most: what is left of the one before ends first, some of it each turn.
    while (running_ && !retire_policy()) {
        for (const auto& select : select_) select->end_passing_soon();
        const timespec pause{.tv_sec = 0, .tv_nsec = 100'000};
        nanosleep(&pause, nullptr);
    }
    options_.policy = std::move(policy);
    epoch_ = epoch;
    for (std::size_t i = 0; i < select_.size(); ++i) select_[i]->publish(fresh[i].get());
    if (!running_) {
        for (const auto& select : select_) select->adopt_now();
    }
    // A thread may have looked for a new one just before: it adopts it in its next turn.
    quiescent_->synchronize();
    quiescent_->synchronize();
    bury(old_selectors_);
    old_selectors_ = std::exchange(selectors_, std::move(fresh));
    retire_policy();
}

bool Pipeline::retire_policy() {
    for (std::size_t i = 0; i < old_selectors_.size(); ++i) {
        if (select_[i]->passing() == old_selectors_[i].get()) return false;
    }
    if (old_selectors_.empty()) return true;
    quiescent_->synchronize();
    bury(old_selectors_);
    return true;
}

/// What the stats have of them stays.
void Pipeline::bury(std::vector<std::unique_ptr<select::Selector>>& selectors) {
    gone_.tools.resize(options_.tools.size());
    for (const auto& selector : selectors) add_counters(*selector, gone_);
    selectors.clear();
}

/// Has the stage's thread run this with the question, and mark it as done.
template <class Question>
bool Pipeline::ask(std::size_t select, Question& question, void (*run)(void*) noexcept) {
    const unsigned lcore = options_.plan.select[select];
    const auto thread = std::ranges::find_if(threads_, [&](const auto& t) { return t->lcore() == lcore; });
    question.stage = select_[select].get();
    question.message = {.run = run, .argument = &question};
    question.done.store(false, std::memory_order_relaxed);
    if ((*thread)->post(question.message)) return true;
    question.done.store(true, std::memory_order_relaxed);
    return false;
}

bool Pipeline::ask_flows(std::size_t select, FlowPage& page) {
    return ask(select, page, [](void* argument) noexcept {
        auto& asked = *static_cast<FlowPage*>(argument);
        asked.stage->copy_flows(asked);
        asked.done.store(true, std::memory_order_release);
    });
}

bool Pipeline::exchange_draws(std::size_t select, DrawsExchange& exchange) {
    return ask(select, exchange, [](void* argument) noexcept {
        auto& asked = *static_cast<DrawsExchange*>(argument);
        asked.stage->exchange_draws(asked);
        asked.done.store(true, std::memory_order_release);
    });
}

bool Pipeline::ask_flow(std::size_t select, FlowQuestion& question) {
    return ask(select, question, [](void* argument) noexcept {
        auto& asked = *static_cast<FlowQuestion*>(argument);
        asked.stage->answer(asked);
        asked.done.store(true, std::memory_order_release);
    });
}

Stats Pipeline::stats() const {
    Stats stats = gone_;
    stats.tools.resize(options_.tools.size());
    stats.ports.resize(options_.ports);
    for (std::size_t i = 0; i < options_.ports; ++i) {
        const base::PortId id{static_cast<std::uint16_t>(i)};
        PortStats& port = stats.ports[i];
        // Downstream first: then a packet that moves meanwhile counts as in flight, not as one too many.
        base::Count taken;
        for (const auto& select : select_) {
            const SelectPortCounters& counters = select->counters(id);
            const base::Count unparked = counters.unparked.get();
            port.forwarded += counters.forwarded.get();
            for (std::size_t r = 0; r < port.dropped.size(); ++r)
                port.dropped[r] += counters.dropped[r].get();
            port.held += counters.parked.get() - unparked;
            taken += counters.taken.get();
        }
        base::Count handed;
        for (const auto& rx : rx_) {
            const RxStage::PortCounters& counters = rx->counters(id);
            const base::Count lost = counters.dropped.get();
            port.dropped[static_cast<std::size_t>(select::DropReason::kSelectRingFull)] += lost;
            handed += counters.handed.get() - lost;
            port.held += rx->fragments().waiting(id);
            port.received += counters.received.get();
        }
        for (const port::RxQueue* source : options_.sources) {
            const base::Count truncated = source->truncated(id);
            port.dropped[static_cast<std::size_t>(select::DropReason::kTruncated)] += truncated;
            port.received += truncated;
            port.missed += source->missed(id);
        }
        port.in_flight = handed - taken;
    }
    for (const auto& tx : tx_) {
        for (std::size_t i = 0; i < tx->tools().size(); ++i) {
            const TxStage::Tool& tool = tx->tools()[i];
            ToolStats& out = stats.tools[tool.id.index()];
            const base::Count lost = running_ ? base::Count{} : tool.queue->lost();
            out.sent = tx->counters(i).sent.get() - lost;
            for (std::size_t r = 0; r < out.shed.size(); ++r) out.shed[r] += tx->counters(i).shed[r].get();
            out.shed[static_cast<std::size_t>(tool.queue->loss())] += lost;
        }
    }
    for (std::size_t i = 0; i < options_.tools.size(); ++i) {
        for (const auto& select : select_) {
            const base::ToolId id{static_cast<std::uint8_t>(i)};
            const ToolOutlet::ToolCounters& counters = select->counters(id);
            stats.tools[i].shed[static_cast<std::size_t>(port::ShedReason::kRingFull)] += counters.shed.get();
            stats.tools[i].shed[static_cast<std::size_t>(port::ShedReason::kNoBuffer)] +=
                counters.unreleased.get();
            stats.tools[i].offered += counters.offered.get();
        }
    }
    std::vector<select::DecisionTable::RuleCount> rules(options_.policy->actions.size());
    for (const auto& selector : selectors_) selector->add_to(rules);
    for (const auto* all : {&selectors_, &old_selectors_}) {
        for (const auto& selector : *all) {
            add_counters(*selector, stats);
            stats.inspected += selector->inspections().count();
        }
    }
    for (const auto& selector : old_selectors_) stats.inspected_before += selector->inspections().count();
    for (const auto& rule : rules) stats.rules.push_back({rule.count, rule.flows});
    for (const auto& thread : threads_) {
        const PollThread::Turns turns = thread->turns();
        stats.threads.push_back({.lcore = thread->lcore(),
                                 .busy_turns = turns.busy,
                                 .empty_turns = turns.empty,
                                 .packets = turns.packets,
                                 .cycles = thread->cycles()});
    }
    for (const auto& rings : select_rings_) {
        for (const auto& ring : rings) stats.on_select_rings += ring->count();
    }
    for (const auto& rings : tool_rings_) {
        for (const auto& ring : rings) stats.on_tool_rings += ring->count();
    }
    for (const auto& select : select_) {
        const SelectStage::FlowCounters& flows = select->flow_counters();
        stats.untracked += flows.untracked.get();
        stats.hold_refused += flows.hold_refused.get();
        stats.flows += select->flows().size();
        stats.evicted += flows.evicted.get();
        stats.held_blocks += select->store().blocks_used();
        stats.held_blocks_peak += select->store().blocks_peak();
    }
    for (const auto& rx : rx_) stats.fragments_unmatched += rx->fragments().unmatched();
    return stats;
}

}  // namespace yagura::dataplane
