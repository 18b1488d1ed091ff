// SPDX-License-Identifier: BSD-3-Clause
// Pipeline: how it is put together.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "dataplane/pipeline.h"

namespace yagura::dataplane {
namespace {

/// Of a store in a file: what its index can address. The disk is the limit.
constexpr std::uint64_t kSpoolLimit = std::uint64_t{1} << 40;

std::uint64_t nanoseconds(std::chrono::nanoseconds duration) {
    return static_cast<std::uint64_t>(duration.count());
}

std::vector<PacketRing*> raw(const std::vector<std::unique_ptr<PacketRing>>& rings) {
    std::vector<PacketRing*> pointers;
    for (const auto& ring : rings) pointers.push_back(ring.get());
    return pointers;
}

}  // namespace

/// One for each select stage.
base::Result<std::vector<std::unique_ptr<PacketRing>>> Pipeline::make_rings(unsigned size) const {
    std::vector<std::unique_ptr<PacketRing>> rings;
    for (std::size_t select = 0; select < options_.plan.select.size(); ++select) {
        auto ring = PacketRing::create(size);
        if (!ring) return ring.error();
        rings.push_back(std::move(ring).value());
    }
    return rings;
}

base::Result<std::unique_ptr<Pipeline::Lane>> Pipeline::make_lane(unsigned lcore) const {
    auto rings = make_rings(options_.ring_size);
    if (!rings) return rings.error();
    return std::make_unique<Lane>(Lane{lcore, std::move(rings).value()});
}

base::Result<void> Pipeline::make_sources() {
    // A lane is polled by one rx lcore; an lcore without one has nothing to do.
    const std::vector<unsigned>& lcores = options_.plan.rx;
    for (std::size_t i = 0; i < options_.sources.size(); ++i) {
        const SourcePlace place = options_.places.empty()
                                      ? SourcePlace{base::PortId{static_cast<std::uint16_t>(i)}, i}
                                      : options_.places[i];
        while (lanes_.size() <= place.lane) {
            auto lane = make_lane(lcores[lanes_.size() % lcores.size()]);
            if (!lane) return lane.error();
            lanes_.push_back(std::move(lane).value());
        }
        Lane* const lane = lanes_[place.lane].get();
        sources_.push_back(
            {options_.sources[i], place.port, lane, make_rx_stage(options_.sources[i], *lane)});
    }
    return {};
}

std::unique_ptr<RxStage> Pipeline::make_rx_stage(port::RxQueue* queue, const Lane& lane) const {
    return std::make_unique<RxStage>(RxStage::Options{
        .queue = queue,
        .link_type = options_.link_type,
        .outputs = raw(lane.rings),
        .ports = room_for_ports_,
        .burst = options_.burst,
        .pressure = options_.pressure,
        .hash_seed = options_.hash_seed,
        .flow_identity = {.vlan = options_.inspect.key_has_vlan, .tunnel = options_.inspect.key_has_tunnel},
        .fragments = options_.fragments});
}

base::Result<void> Pipeline::make_outlets() {
    outlets_.resize(options_.ports_change ? base::kMaxTools : options_.tools.size());
    for (std::size_t i = 0; i < options_.tools.size(); ++i) {
        auto outlet = make_outlet(base::ToolId{static_cast<std::uint8_t>(i)}, options_.tools[i],
                                  options_.limits.empty() ? ToolLimit{} : options_.limits[i]);
        if (!outlet) return outlet.error();
        outlet.value()->lcore = options_.plan.tx[i % options_.plan.tx.size()];
        outlets_[i] = std::move(outlet).value();
    }
    return {};
}

base::Result<std::unique_ptr<Pipeline::Outlet>> Pipeline::make_outlet(base::ToolId tool, port::TxQueue* queue,
                                                                      const ToolLimit& limit) const {
    // What waits is bounded for all rings together: each has room for all of it.
    auto rings = make_rings(limit.limits() ? limit.queue_packets : options_.ring_size);
    if (!rings) return rings.error();
    auto outlet = std::make_unique<Outlet>(Outlet{queue, 0, std::move(rings).value(), nullptr, nullptr});
    if (limit.limits()) outlet->limit = std::make_unique<ToolQueue>(limit, options_.plan.select.size());
    std::vector<TxStage::Tool> alone{
        {.id = tool, .queue = queue, .inputs = raw(outlet->rings), .limit = outlet->limit.get()}};
    outlet->stage = std::make_unique<TxStage>(std::move(alone), options_.burst);
    return outlet;
}

base::Result<void> Pipeline::make_stores() {
    if (options_.policy->rules->group_count() != 0 && options_.release_pool == nullptr) {
        return base::Error{"payload rules need a pool for the packets that are released"};
    }
    const std::size_t selects = options_.plan.select.size();
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
    const std::size_t selects = options_.plan.select.size();
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
    const std::size_t selects = options_.plan.select.size();
    return static_cast<std::uint32_t>((options_.inspect.flows + selects - 1) / selects);
}

void Pipeline::make_select_stages() {
    std::vector<const RxStage*> feeders;
    for (const Source& source : sources_) feeders.push_back(source.stage.get());
    const auto& timeouts = options_.inspect.timeouts;
    for (std::size_t i = 0; i < options_.plan.select.size(); ++i) {
        std::vector<PacketRing*> inputs;
        // Of a ring that several put into, as much is taken in a turn as of several rings.
        for (const Source& source : sources_) inputs.push_back(source.lane->rings[i].get());
        std::vector<PacketRing*> tools;
        std::vector<ToolQueue*> limits;
        for (const auto& outlet : outlets_) {
            tools.push_back(outlet == nullptr ? nullptr : outlet->rings[i].get());
            limits.push_back(outlet == nullptr ? nullptr : outlet->limit.get());
        }
        selectors_.push_back(make_selector(i, options_.policy, epoch_, nullptr));
        select_.push_back(std::make_unique<SelectStage>(
            SelectStage::Options{
                .feeders = feeders,
                .inputs = std::move(inputs),
                .ports = room_for_ports_,
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
                .trace = options_.flow_traces.empty() ? nullptr : options_.flow_traces[i],
                .down_tools = &down_tools_,
                .response = options_.response,
                .response_stages = options_.plan.select.size(),
                .flow_has_domain = options_.inspect.key_has_vlan || options_.inspect.key_has_tunnel,
                .feedback = feedback_rings_.empty() ? nullptr : feedback_rings_[i].get()},
            ToolOutlet::Options{.tools = std::move(tools),
                                .limits = std::move(limits),
                                .lane = i,
                                .pressure = options_.pressure,
                                .burst = options_.burst,
                                .release_pool = options_.release_pool},
            *stores_[i], selectors_.back().get()));
    }
}

base::Result<void> Pipeline::make_threads() {
    quiescent_ = std::make_unique<QuiescentState>(static_cast<unsigned>(options_.plan.lcores.size()));
    for (const LcorePlan::Lcore& lcore : options_.plan.lcores) {
        std::vector<PollThread::Work> work;
        for (const Source& source : sources_) {
            if (source.lane->lcore == lcore.id) work.push_back({source.stage.get(), StageKind::kRx});
        }
        for (std::size_t i = 0; i < select_.size(); ++i) {
            if (options_.plan.select[i] == lcore.id) work.push_back({select_[i].get(), StageKind::kSelect});
        }
        for (const auto& outlet : outlets_) {
            if (outlet != nullptr && outlet->lcore == lcore.id)
                work.push_back({outlet->stage.get(), StageKind::kTx});
        }
        for (const auto& injector : injectors_) {
            if (injector != nullptr && injector->lcore == lcore.id)
                work.push_back({injector->stage.get(), StageKind::kTx});
        }
        if (feedback_ != nullptr && options_.plan.tx.front() == lcore.id)
            work.push_back({feedback_.get(), StageKind::kTx});
        if (work.empty()) continue;
        if (auto thread = make_thread(lcore.id, std::move(work)); !thread) return thread.error();
    }
    return {};
}

base::Result<PollThread*> Pipeline::make_thread(unsigned lcore, std::vector<PollThread::Work> work) {
    const auto planned = std::ranges::find(options_.plan.lcores, lcore, &LcorePlan::Lcore::id);
    auto thread =
        PollThread::create({.lcore = lcore,
                            .index = static_cast<unsigned>(threads_.size()),
                            .yields = planned->shares_cpu || options_.pressure == Pressure::kPushBack,
                            .clocked = options_.clock_stages},
                           std::move(work), *quiescent_);
    if (!thread) return thread.error();
    threads_.push_back(std::move(thread).value());
    return threads_.back().get();
}

}  // namespace yagura::dataplane
