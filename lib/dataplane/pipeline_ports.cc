// SPDX-License-Identifier: BSD-3-Clause
// Pipeline: ports that come and go. What a thread owns it changes itself, between two turns; what is new has
// been made before, and what is old is freed here.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "dataplane/pipeline.h"

namespace yagura::dataplane {

/// The thread of an lcore of the plan, which is started if nothing ran there yet.
base::Result<PollThread*> Pipeline::thread_for(unsigned lcore) {
    if (PollThread* thread = thread_of(lcore); thread != nullptr) return thread;
    auto thread = make_thread(lcore, {});
    if (!thread || !running_) return thread;
    if (auto started = (*thread)->start(); !started) {
        threads_.pop_back();
        return started.error();
    }
    return thread;
}

/// That which stands least often in `used`.
unsigned Pipeline::idlest(const std::vector<unsigned>& lcores, const std::vector<unsigned>& used) {
    return *std::ranges::min_element(lcores, {},
                                     [&](unsigned lcore) { return std::ranges::count(used, lcore); });
}

/// An id is free again when nothing of its last port is held, and no flow names it.
void Pipeline::settle_ports() {
    if (flows_name_removed()) return;
    for (std::size_t i = 0; i < ledger_.ports(); ++i) {
        const base::PortId id{static_cast<std::uint16_t>(i)};
        if (ledger_.port(id) != Ledger::Place::kLeft) continue;
        const PortSums sums = port_sums(id);
        if (sums.parked == sums.unparked) ledger_.settle(id, sums);
    }
}

std::optional<base::PortId> Pipeline::free_port() {
    settle_ports();
    return ledger_.free_port();
}

base::Result<void> Pipeline::add_port(base::PortId port, const std::vector<port::RxQueue*>& queues,
                                      std::optional<base::PortId> linked, const InjectPort& inject) {
    if (sources_.size() + queues.size() > kMaxSources) {
        return base::Error{fmt::format("there would be {} receive queues; at most {} at a time",
                                       sources_.size() + queues.size(), kMaxSources)};
    }
    std::vector<Lane*> partners;
    std::vector<unsigned> used;
    for (const Source& source : sources_) {
        if (source.port == linked) partners.push_back(source.lane);
    }
    for (const auto& lane : lanes_) used.push_back(lane->lcore);

    std::vector<std::unique_ptr<Lane>> lanes;
    std::vector<Source> sources;
    std::vector<PollThread*> threads;
    for (std::size_t i = 0; i < queues.size(); ++i) {
        Lane* lane = i < partners.size() ? partners[i] : nullptr;
        if (lane == nullptr) {
            auto made = make_lane(idlest(options_.plan.rx, used));
            if (!made) return made.error();
            lane = made->get();
            used.push_back(lane->lcore);
            lanes.push_back(std::move(made).value());
        }
        auto thread = thread_for(lane->lcore);
        if (!thread) return thread.error();
        threads.push_back(*thread);
        sources.push_back({queues[i], port, lane, make_rx_stage(queues[i], *lane)});
    }
    lanes_.reserve(lanes_.size() + lanes.size());
    sources_.reserve(sources_.size() + sources.size());

    std::vector<std::pair<std::size_t, std::size_t>> known;  // select stage, source
    known.reserve(select_.size() * sources.size());
    bool taken = true;
    for (std::size_t i = 0; i < sources.size() && taken; ++i) {
        for (std::size_t n = 0; n < select_.size() && taken; ++n) {
            select_thread(n).between_turns([&] {
                taken = select_[n]->add_feeder(sources[i].stage.get(), sources[i].lane->rings[n].get());
            });
            if (taken) known.emplace_back(n, i);
        }
    }
    if (!taken) {
        for (const auto& [n, i] : known) {
            select_thread(n).between_turns([&, n = n, i = i] {
                select_[n]->remove_feeder(sources[i].stage.get());
                select_[n]->remove_input(sources[i].lane->rings[n].get());
            });
        }
        return base::Error{"all network ports have ended, and the run with them"};
    }
    if (auto added = add_injector(port, inject); !added) {
        for (const auto& [n, i] : known) {
            select_thread(n).between_turns([&, n = n, i = i] {
                select_[n]->remove_feeder(sources[i].stage.get());
                select_[n]->remove_input(sources[i].lane->rings[n].get());
            });
        }
        return added;
    }
    for (std::size_t i = 0; i < sources.size(); ++i) {
        threads[i]->between_turns([&] { threads[i]->add({sources[i].stage.get(), StageKind::kRx}); });
    }
    std::ranges::move(lanes, std::back_inserter(lanes_));
    std::ranges::move(sources, std::back_inserter(sources_));
    ledger_.set(port, Ledger::Place::kOpen);
    return {};
}

/// No select stage waits for it any more.
void Pipeline::forget_feeder(const RxStage* stage) {
    for (std::size_t n = 0; n < select_.size(); ++n)
        select_thread(n).between_turns([&] { select_[n]->remove_feeder(stage); });
}

/// Select stages take a burst less from it in a turn.
void Pipeline::close_lane(const Lane& lane) {
    for (std::size_t n = 0; n < select_.size(); ++n)
        select_thread(n).between_turns([&] { select_[n]->remove_input(lane.rings[n].get()); });
}

void Pipeline::stop_port(base::PortId port) {
    for (const Source& source : sources_) {
        if (source.port != port) continue;
        // Without it no other port's end is the end of all.
        forget_feeder(source.stage.get());
        source.stage->stop_polling();
    }
    stop_injector(port);
}

bool Pipeline::port_stopped(base::PortId port) const {
    const bool done = std::ranges::all_of(
        sources_, [&](const Source& source) { return source.port != port || source.stage->done(); });
    if (!done) return false;
    const PortSums sums = port_sums(port);
    return sums.handed == sums.taken && injector_stopped(port);
}

void Pipeline::remove_port(base::PortId port) {
    const auto gone =
        std::ranges::stable_partition(sources_, [&](const Source& source) { return source.port != port; });
    for (const Source& source : gone) {
        PollThread& thread = *thread_of(source.lane->lcore);
        thread.between_turns([&] { thread.remove(source.stage.get()); });
        ledger_.close(port, sums_of(source, port));
        closed_unmatched_ += source.stage->fragments().unmatched();
        close_lane(*source.lane);
    }
    sources_.erase(gone.begin(), gone.end());
    std::erase_if(lanes_, [this](const auto& lane) {
        return std::ranges::find(sources_, lane.get(), &Source::lane) == sources_.end();
    });
    remove_injector(port);
    forget_in_flows(port);
    ledger_.set(port, Ledger::Place::kLeft);
}

/// The same of tools. What one has said last has been heard, too.
void Pipeline::settle_tools() {
    if (flows_name_removed()) return;
    for (std::size_t i = 0; i < outlets_.size(); ++i) {
        const base::ToolId id{static_cast<std::uint8_t>(i)};
        if (ledger_.tool(id) != Ledger::Place::kLeft || outlets_[i] != nullptr) continue;
        const HeardStats heard = heard_sums(id);
        if (!heard.all_heard()) continue;
        heard_before_[i] = heard;
        ledger_.settle(id, tool_sums(id));
    }
}

std::optional<base::ToolId> Pipeline::free_tool() {
    settle_tools();
    return ledger_.free_tool();
}

base::Result<void> Pipeline::add_tool(base::ToolId tool, port::TxQueue* queue, const ToolLimit& limit,
                                      port::RxQueue* feedback) {
    std::vector<unsigned> used;
    for (const auto& outlet : outlets_) {
        if (outlet != nullptr) used.push_back(outlet->lcore);
    }
    auto made = make_outlet(tool, queue, limit);
    if (!made) return made.error();
    std::unique_ptr<Outlet> outlet = std::move(made).value();
    outlet->lcore = idlest(options_.plan.tx, used);
    std::vector<std::unique_ptr<FlowShedder::Tool>> shed(select_.size());
    for (std::size_t n = 0; outlet->limit != nullptr && n < select_.size(); ++n)
        shed[n] = select_[n]->shedder().make_tool(*outlet->limit);
    auto thread = thread_for(outlet->lcore);
    if (!thread) return thread.error();
    (*thread)->between_turns([&] { (*thread)->add({outlet->stage.get(), StageKind::kTx}); });
    for (std::size_t n = 0; n < select_.size(); ++n) {
        select_thread(n).between_turns(
            [&] { select_[n]->set_tool(tool, outlet->rings[n].get(), outlet->limit.get(), shed[n]); });
    }
    outlets_[tool.index()] = std::move(outlet);
    listen_to(tool, feedback);
    ledger_.set(tool, Ledger::Place::kOpen);
    return {};
}

bool Pipeline::stop_tool(base::ToolId tool) {
    // A flow may go on under the policy before, which may offer it something.
    if (!retire_policy()) {
        for (const auto& select : select_) select->end_passing_soon();
        return false;
    }
    outlets_[tool.index()]->stage->hurry();
    const ToolStats now = ledger_.since(tool, tool_sums(tool));
    return now.offered == now.sent + now.shed_total();
}

void Pipeline::remove_tool(base::ToolId tool) {
    Outlet& outlet = *outlets_[tool.index()];
    for (std::size_t n = 0; n < select_.size(); ++n) {
        std::unique_ptr<FlowShedder::Tool> none;  // then what was kept for it, which is freed here
        select_thread(n).between_turns([&] { select_[n]->set_tool(tool, nullptr, nullptr, none); });
    }
    listen_to(tool, nullptr);
    forget_in_flows(tool);
    PollThread& thread = *thread_of(outlet.lcore);
    thread.between_turns([&] { thread.remove(outlet.stage.get()); });
    ledger_.close(tool, sums_of(*outlet.stage));
    outlet.stage.reset();
    ledger_.set(tool, Ledger::Place::kLeft);
}

void Pipeline::forget_tool(base::ToolId tool) {
    const Outlet& outlet = *outlets_[tool.index()];
    // It is kept where the counters of its next user are not, and taken off what that one will see.
    ToolSums lost;
    lost.sent = base::Count{} - outlet.queue->lost();
    lost.shed[static_cast<std::size_t>(outlet.queue->loss())] = outlet.queue->lost();
    ledger_.close(tool, lost);
    outlets_[tool.index()].reset();
    settle_tools();
}

}  // namespace yagura::dataplane
