// SPDX-License-Identifier: BSD-3-Clause
// Pipeline: frames of our own, and what tools say.
#include <algorithm>
#include <utility>

#include "dataplane/pipeline.h"

namespace yagura::dataplane {
namespace {

/// Frames of our own that may wait for a network port, of each select stage.
constexpr unsigned kInjectRing = 4096;
/// Verdicts of tools that may wait for a select stage.
constexpr unsigned kFeedbackRing = 1024;

void add(InjectStats& sums, const TxStage& stage) {
    sums.sent += stage.counters(0).sent.get();
    for (std::size_t r = 0; r < sums.shed.size(); ++r) sums.shed[r] += stage.counters(0).shed[r].get();
}

}  // namespace

base::Result<std::unique_ptr<Pipeline::Injector>> Pipeline::make_injector(const InjectPort& inject) const {
    auto rings = make_rings(kInjectRing);
    if (!rings) return rings.error();
    auto injector = std::make_unique<Injector>(Injector{inject.queue, 0, std::move(rings).value(), nullptr});
    std::vector<PacketRing*> inputs;
    for (const auto& ring : injector->rings) inputs.push_back(ring.get());
    std::vector<TxStage::Tool> port{{.id = {}, .queue = inject.queue, .inputs = std::move(inputs)}};
    injector->stage = std::make_unique<TxStage>(std::move(port), options_.burst);
    return injector;
}

base::Result<void> Pipeline::make_response() {
    injectors_.resize(room_for_ports_);
    injected_before_.resize(room_for_ports_);
    closed_injectors_.resize(room_for_ports_);
    if (options_.response == nullptr) return {};
    for (std::size_t i = 0; i < options_.injects.size(); ++i) {
        if (options_.injects[i].queue == nullptr) continue;
        auto injector = make_injector(options_.injects[i]);
        if (!injector) return injector.error();
        injector.value()->lcore = options_.plan.tx[i % options_.plan.tx.size()];
        injectors_[i] = std::move(injector).value();
    }
    if (!options_.listens_to_tools) return {};
    auto rings = make_rings(kFeedbackRing);
    if (!rings) return rings.error();
    feedback_rings_ = std::move(rings).value();
    std::vector<PacketRing*> outputs;
    for (const auto& ring : feedback_rings_) outputs.push_back(ring.get());
    feedback_ = std::make_unique<FeedbackStage>(FeedbackStage::Options{
        .outputs = std::move(outputs),
        .burst = options_.burst,
        .hash_seed = options_.hash_seed,
        .flow_identity = {.vlan = options_.inspect.key_has_vlan, .tunnel = options_.inspect.key_has_tunnel}});
    for (std::size_t i = 0; i < options_.feedbacks.size(); ++i)
        feedback_->set_tool(base::ToolId{static_cast<std::uint8_t>(i)}, options_.feedbacks[i]);
    return {};
}

/// Before the threads run.
void Pipeline::connect_response() {
    if (options_.response == nullptr) return;
    for (std::size_t i = 0; i < options_.injects.size(); ++i) {
        const base::PortId port{static_cast<std::uint16_t>(i)};
        for (std::size_t n = 0; n < select_.size(); ++n) {
            PacketRing* const ring = injectors_[i] == nullptr ? nullptr : injectors_[i]->rings[n].get();
            select_[n]->responder()->set_port(port, ring, options_.injects[i]);
        }
    }
}

/// Each select stage's responder between two turns, if there are any.
template <class Do>
void Pipeline::with_responders(Do&& work) {
    if (options_.response == nullptr) return;
    for (std::size_t n = 0; n < select_.size(); ++n)
        select_thread(n).between_turns([&] { work(*select_[n]->responder()); });
}

base::Result<void> Pipeline::add_injector(base::PortId port, const InjectPort& inject) {
    if (inject.queue == nullptr) {
        with_responders([&](Responder& responder) { responder.set_port(port, nullptr, inject); });
        return {};
    }
    if (options_.response == nullptr) return {};
    auto made = make_injector(inject);
    if (!made) return made.error();
    std::unique_ptr<Injector> injector = std::move(made).value();
    std::vector<unsigned> used;
    for (const auto& other : injectors_) {
        if (other != nullptr) used.push_back(other->lcore);
    }
    injector->lcore = idlest(options_.plan.tx, used);
    auto thread = thread_for(injector->lcore);
    if (!thread) return thread.error();
    (*thread)->between_turns([&] { (*thread)->add({injector->stage.get(), StageKind::kTx}); });
    for (std::size_t n = 0; n < select_.size(); ++n) {
        select_thread(n).between_turns(
            [&] { select_[n]->responder()->set_port(port, injector->rings[n].get(), inject); });
    }
    injectors_[port.index()] = std::move(injector);
    return {};
}

/// Nothing more is made for it.
void Pipeline::stop_injector(base::PortId port) {
    with_responders([port](Responder& responder) { responder.set_port(port, nullptr, {}); });
    if (injectors_[port.index()] != nullptr) injectors_[port.index()]->stage->hurry();
}

bool Pipeline::injector_stopped(base::PortId port) const {
    const Injector* const injector = injectors_[port.index()].get();
    if (injector == nullptr) return true;
    const InjectStats now = inject_sums(port);
    return now.made == now.sent + now.shed_total();
}

void Pipeline::remove_injector(base::PortId port) {
    std::unique_ptr<Injector>& injector = injectors_[port.index()];
    if (injector == nullptr) return;
    PollThread& thread = *thread_of(injector->lcore);
    thread.between_turns([&] { thread.remove(injector->stage.get()); });
    add(closed_injectors_[port.index()], *injector->stage);
    injector.reset();
    const InjectStats sums = inject_sums(port);
    removed_injected_ += sums - injected_before_[port.index()];
    injected_before_[port.index()] = sums;
}

void Pipeline::forget_in_flows(base::PortId port) {
    with_responders([port](Responder& responder) { responder.forget_port(port); });
}

void Pipeline::forget_in_flows(base::ToolId tool) {
    with_responders([tool](Responder& responder) { responder.forget_tool(tool); });
}

/// Flows may name a port or tool that has been removed.
bool Pipeline::flows_name_removed() const {
    return options_.response != nullptr && std::ranges::any_of(select_, [](const auto& select) {
               return select->responder()->is_forgetting();
           });
}

void Pipeline::listen_to(base::ToolId tool, port::RxQueue* queue) {
    if (feedback_ == nullptr) return;
    PollThread& thread = *thread_of(options_.plan.tx.front());
    thread.between_turns([&] { feedback_->set_tool(tool, queue); });
}

std::vector<std::size_t> Pipeline::selects_of(const net::FlowKey& key) const {
    std::vector<std::size_t> selects;
    const bool any = options_.inspect.key_has_vlan || options_.inspect.key_has_tunnel;
    const std::size_t home = select_of(key.symmetric_hash(options_.hash_seed), select_.size());
    for (std::size_t n = 0; n < select_.size(); ++n) {
        if (any || n == home) selects.push_back(n);
    }
    return selects;
}

bool Pipeline::exchange(std::size_t select, ResponseExchange& exchange) {
    return ask(select, exchange, [](void* argument) noexcept {
        auto& asked = *static_cast<ResponseExchange*>(argument);
        asked.stage->responder()->exchange(asked);
        asked.done.store(true, std::memory_order_release);
    });
}

/// Downstream first, as for the tools.
InjectStats Pipeline::inject_sums(base::PortId port) const {
    InjectStats sums = closed_injectors_[port.index()];
    if (const Injector* injector = injectors_[port.index()].get()) {
        add(sums, *injector->stage);
        const base::Count lost = running_ ? base::Count{} : injector->queue->lost();
        sums.sent = sums.sent - lost;
        sums.shed[static_cast<std::size_t>(injector->queue->loss())] += lost;
    }
    for (const auto& select : select_) {
        const InjectCounters& counters = select->responder()->counters(port);
        const base::Count shed = counters.shed.get();
        sums.shed[static_cast<std::size_t>(port::ShedReason::kRingFull)] += shed;
        sums.made += counters.made.get();
    }
    return sums;
}

/// Of all tools that have had the id. Downstream first.
HeardStats Pipeline::heard_sums(base::ToolId tool) const {
    HeardStats sums;
    if (feedback_ == nullptr) return sums;
    for (const auto& select : select_) {
        const ResponseCounters::Heard& counters = select->responder()->counters().heard[tool.index()];
        sums.verdicts += counters.verdicts.get();
        sums.not_found += counters.not_found.get();
        sums.not_given += counters.not_given.get();
    }
    const FeedbackStage::ToolCounters& counters = feedback_->counters(tool);
    sums.ring_full = counters.ring_full.get();
    sums.ignored = counters.ignored.get();
    sums.received = counters.received.get();
    return sums;
}

ResponseStats Pipeline::response_stats() const {
    ResponseStats stats;
    const auto add_all = [](auto& sums, const auto& counters) {
        for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += counters[i].get();
    };
    for (const auto& select : select_) {
        const ResponseCounters& counters = select->responder()->counters();
        add_all(stats.outcomes, counters.outcomes);
        add_all(stats.verdicts, counters.verdicts);
        add_all(stats.unmade, counters.unmade);
        stats.no_buffer += counters.no_buffer.get();
        stats.no_path += counters.no_path.get();
        stats.suppressed += counters.suppressed.get();
        stats.untracked += counters.untracked.get();
        stats.unreported += counters.unreported.get();
        stats.errors += counters.errors.get();
        stats.fronts_full += counters.fronts_full.get();
    }
    for (std::size_t i = 0; i < outlets_.size(); ++i)
        stats.heard.push_back(heard_sums(base::ToolId{static_cast<std::uint8_t>(i)}) - heard_before_[i]);
    return stats;
}

void Pipeline::add_response(Stats& stats) const {
    if (options_.response == nullptr) return;
    for (std::size_t i = 0; i < injectors_.size(); ++i) {
        if (injectors_[i] == nullptr) continue;
        const base::PortId port{static_cast<std::uint16_t>(i)};
        stats.injected.resize(i + 1);
        stats.injected[i] = inject_sums(port) - injected_before_[i];
        for (const auto& ring : injectors_[i]->rings) stats.on_inject_rings += ring->count();
    }
    stats.removed_injected = removed_injected_;
    stats.response = response_stats();
}

}  // namespace yagura::dataplane
