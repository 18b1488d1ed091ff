// SPDX-License-Identifier: BSD-3-Clause
#include "app/bench/stage_rig.h"

#include <rte_cycles.h>

#include <algorithm>

namespace yagura::bench {
namespace {

std::uint64_t nanoseconds(std::chrono::nanoseconds duration) {
    return static_cast<std::uint64_t>(duration.count());
}

select::Selector::Options selector_options(const rules::Inspect& inspect) {
    return {.epoch = 1,
            .inspect = {.stream_depth = inspect.stream_depth,
                        .reorder_bytes = static_cast<std::uint32_t>(inspect.reorder_bytes),
                        .stream_budget = inspect.stream_budget,
                        .flows = static_cast<std::uint32_t>(inspect.flows)},
            .when_short = inspect.when_short,
            .trace = nullptr};
}

dataplane::RxStage::Options rx_options(const Stages::Options& options, dataplane::PacketRing* output) {
    return {.queue = options.source,
            .link_type = net::LinkType::kEthernet,
            .outputs = {output},
            .ports = 1,
            .burst = options.burst,
            .pressure = dataplane::Pressure::kDrop,
            .hash_seed = 1,
            .flow_identity = {.vlan = options.inspect.key_has_vlan, .tunnel = options.inspect.key_has_tunnel},
            .fragments = {}};
}

dataplane::SelectStage::Options select_options(const Stages::Options& options,
                                               const dataplane::RxStage* feeder,
                                               dataplane::PacketRing* input) {
    const rules::FlowTimeouts& timeouts = options.inspect.timeouts;
    return {.feeders = {feeder},
            .inputs = {input},
            .ports = 1,
            .burst = options.burst,
            .pressure = dataplane::Pressure::kDrop,
            .flows = static_cast<std::uint32_t>(options.inspect.flows),
            .timeouts = {.tcp_opening = nanoseconds(timeouts.tcp_opening),
                         .tcp = nanoseconds(timeouts.tcp),
                         .tcp_closed = nanoseconds(timeouts.tcp_closed),
                         .udp = nanoseconds(timeouts.udp),
                         .other = nanoseconds(timeouts.other)},
            .hold_bytes = options.inspect.hold_bytes,
            .hash_seed = 1,
            .keep_details = options.keep_details,
            .log = nullptr,
            .trace = nullptr,
            .down_tools = options.down_tools,
            .response = options.response,
            .flow_has_domain = options.inspect.key_has_vlan || options.inspect.key_has_tunnel};
}

using PacketRings = std::vector<std::unique_ptr<dataplane::PacketRing>>;
using Queues = std::vector<std::unique_ptr<dataplane::ToolQueue>>;

Queues queues_of(const Stages::Options& options) {
    Queues queues(options.sinks.size());
    for (std::size_t i = 0; i < options.limits.size(); ++i) {
        if (options.limits[i].limits())
            queues[i] = std::make_unique<dataplane::ToolQueue>(options.limits[i], 1);
    }
    return queues;
}

dataplane::ToolOutlet::Options outlet_options(const Stages::Options& options, const PacketRings& rings,
                                              const Queues& queues) {
    std::vector<dataplane::PacketRing*> tools;
    for (const auto& ring : rings) tools.push_back(ring.get());
    std::vector<dataplane::ToolQueue*> limits;
    for (const auto& queue : queues) limits.push_back(queue.get());
    return {.tools = std::move(tools),
            .limits = std::move(limits),
            .lane = 0,
            .pressure = dataplane::Pressure::kDrop,
            .burst = options.burst,
            .release_pool = options.release_pool};
}

std::vector<dataplane::TxStage::Tool> tools_of(const std::vector<port::TxQueue*>& sinks,
                                               const PacketRings& rings, const Queues& queues) {
    std::vector<dataplane::TxStage::Tool> tools;
    for (std::size_t i = 0; i < sinks.size(); ++i) {
        tools.push_back({.id = base::ToolId(static_cast<std::uint8_t>(i)),
                         .queue = sinks[i],
                         .inputs = {rings[i].get()},
                         .limit = queues[i].get()});
    }
    return tools;
}

}  // namespace

base::Result<std::unique_ptr<Stages>> Stages::create(Options options) {
    auto to_select = dataplane::PacketRing::create(kRingSize);
    if (!to_select) return to_select.error();
    std::vector<Ring> to_tools;
    for (std::size_t i = 0; i < options.sinks.size(); ++i) {
        auto ring = dataplane::PacketRing::create(kRingSize);
        if (!ring) return ring.error();
        to_tools.push_back(std::move(*ring));
    }
    return std::unique_ptr<Stages>(new Stages(options, std::move(*to_select), std::move(to_tools)));
}

Stages::Stages(const Options& options, Ring to_select, std::vector<Ring> to_tools)
    : to_select_(std::move(to_select)),
      to_tools_(std::move(to_tools)),
      queues_(queues_of(options)),
      store_(options.inspect.hold_budget),
      selector_(options.policy, selector_options(options.inspect), store_),
      rx_(rx_options(options, to_select_.get())),
      select_(select_options(options, &rx_, to_select_.get()), outlet_options(options, to_tools_, queues_),
              store_, &selector_),
      tx_(tools_of(options.sinks, to_tools_, queues_), options.burst) {}

void Stages::run_burst(std::span<std::uint64_t> cycles) {
    const std::uint64_t start = rte_rdtsc();
    rx_.turn();
    const std::uint64_t received = rte_rdtsc();
    select_.turn();
    const std::uint64_t selected = rte_rdtsc();
    tx_.turn();
    cycles[0] += received - start;
    cycles[1] += selected - received;
    cycles[2] += rte_rdtsc() - selected;
}

bool Stages::sends() const {
    return std::ranges::any_of(to_tools_, [](const Ring& ring) { return ring->count() != 0; });
}

void Stages::drain() {
    do {
        select_.turn();
        tx_.turn();
    } while (to_select_->count() != 0 || select_.has_taken() || sends());
}

}  // namespace yagura::bench
