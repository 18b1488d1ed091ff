// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/pipeline.h"

#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <new>
#include <utility>

namespace yagura::dataplane {
namespace {

void free_all(PacketRing& ring) {
    std::array<rte_mbuf*, kMaxBurst> burst;
    while (const unsigned n = ring.take(burst)) rte_pktmbuf_free_bulk(burst.data(), n);
}

}  // namespace

Pipeline::Pipeline(PipelineOptions options)
    : options_(std::move(options)),
      room_for_ports_(options_.ports_change ? std::max(options_.ports, kMaxPorts) : options_.ports),
      epoch_(options_.epoch),
      ledger_(room_for_ports_, options_.ports, options_.tools.size()) {}

base::Result<std::unique_ptr<Pipeline>> Pipeline::create(PipelineOptions options) {
    const std::uint64_t flows = options.inspect.flows;
    try {
        std::unique_ptr<Pipeline> pipeline(new Pipeline(std::move(options)));
        if (auto made = pipeline->make_sources(); !made) return made.error();
        if (auto made = pipeline->make_outlets(); !made) return made.error();
        if (auto made = pipeline->make_stores(); !made) return made.error();
        if (auto made = pipeline->make_response(); !made) return made.error();
        pipeline->make_select_stages();
        pipeline->connect_response();
        if (auto made = pipeline->make_threads(); !made) return made.error();
        return pipeline;
    } catch (const std::bad_alloc&) {
        constexpr std::uint64_t kPerFlow = sizeof(flow::FlowEntry) + sizeof(flow::FlowDetails) + 16;
        return base::Error{
            fmt::format("no memory for the flow tables: {} flows take up to {} MiB; lower inspect.flows",
                        flows, kPerFlow * flows >> 20)};
    }
}

Pipeline::~Pipeline() {
    stop();
    for (const auto& lane : lanes_) {
        for (const auto& ring : lane->rings) free_all(*ring);
    }
    for (const auto& outlet : outlets_) {
        if (outlet == nullptr) continue;
        for (const auto& ring : outlet->rings) free_all(*ring);
    }
    for (const auto& injector : injectors_) {
        if (injector == nullptr) continue;
        for (const auto& ring : injector->rings) free_all(*ring);
    }
    for (const auto& ring : feedback_rings_) free_all(*ring);
}

base::Result<void> Pipeline::start() {
    running_ = true;
    for (const auto& thread : threads_) {
        if (auto started = thread->start(); !started) return started;
    }
    return {};
}

void Pipeline::stop_sources() {
    for (const Source& source : sources_) source.stage->stop_polling();
    for (const auto& select : select_) select->no_more_feeders();
    for (const auto& outlet : outlets_) {
        if (outlet != nullptr && outlet->stage != nullptr) outlet->stage->hurry();
    }
    for (const auto& injector : injectors_) {
        if (injector != nullptr) injector->stage->hurry();
    }
}

bool Pipeline::drained() const {
    if (!std::ranges::all_of(sources_, [](const Source& source) { return source.stage->done(); }))
        return false;
    if (!std::ranges::all_of(select_, [](const auto& select) { return select->finished(); })) return false;
    const Stats now = stats();
    const bool quiet =
        std::ranges::all_of(now.ports, [](const PortStats& p) { return p.in_flight == base::Count{}; });
    return quiet && now.on_inject_rings == 0 && std::ranges::all_of(now.tools, [](const ToolStats& t) {
               return t.offered == t.sent + t.shed_total();
           });
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
    // Two are alive at most.
    while (!ready_for_policy()) {
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

bool Pipeline::ready_for_policy() {
    if (!running_ || retire_policy()) return true;
    for (const auto& select : select_) select->end_passing_soon();
    return false;
}

void Pipeline::set_down_tools(std::uint64_t tools) {
    if (down_tools_.exchange(tools, std::memory_order_relaxed) == tools) return;
    // A turn reads it at its begin.
    quiescent_->synchronize();
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
    for (const auto& selector : selectors) {
        add_counters(*selector, gone_);
        for (std::size_t i = 0; i < gone_flows_.size(); ++i)
            gone_flows_[i] += selector->tool_flows(base::ToolId{static_cast<std::uint8_t>(i)});
    }
    selectors.clear();
}

PollThread* Pipeline::thread_of(unsigned lcore) const {
    const auto thread = std::ranges::find_if(threads_, [&](const auto& t) { return t->lcore() == lcore; });
    return thread == threads_.end() ? nullptr : thread->get();
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

}  // namespace yagura::dataplane
