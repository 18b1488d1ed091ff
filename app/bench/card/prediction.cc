// SPDX-License-Identifier: BSD-3-Clause
#include "app/bench/card/prediction.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>

namespace yagura::bench {
namespace {

/// What sending costs, so that it can be taken out of what also sends.
struct CopyCost {
    StageCycles first;    ///< of a packet to its first tool, instead of dropping it
    StageCycles further;  ///< to each other one

    StageCycles of(const Events& events) const {
        return first * events.selected + further * (events.copies - events.selected);
    }
};

CopyCost copy_cost(const Observations& o) {
    CopyCost cost;
    if (!o.copy || o.copy->events.selected <= 0) return cost;
    cost.first = (o.copy->cycles - o.fresh.cycles) * (1 / o.copy->events.selected);
    if (!o.copies) return cost;
    const double further = o.copies->events.copies - o.copies->events.selected;
    if (further > 0) cost.further = (o.copies->cycles - o.copy->cycles) * (1 / further);
    return cost;
}

/// Per event; nothing where there was none.
StageCycles per(const StageCycles& cycles, double events) {
    return events > 0 ? cycles * (1 / events) : StageCycles{};
}

/// A packet that some tools get at once, and that is kept for others, is not counted as held. So what the
/// payload rules hold by themselves counts, in proportion to what is scanned.
double held_in_whole(const Observations& o, const Events& whole) {
    if (o.payload->events.scanned <= 0) return whole.held;
    const double alike = o.held->events.held * whole.scanned / o.payload->events.scanned;
    return std::max(whole.held, alike);
}

/// What a packet costs for what it is wrapped in, and for being a fragment. `beyond`: the cycles of one
/// observation without those of another, and without what sending costs.
template <class Beyond>
void add_kinds_of_packets(const Observations& o, const Events& whole, Beyond beyond,
                          std::vector<Part>& parts) {
    if (o.fragments) {
        const Observation& from = o.payload ? *o.payload : o.fresh;
        StageCycles cost = beyond(*o.fragments, from);
        if (o.payload) {
            const StageCycles byte = per(beyond(*o.payload, o.fresh), o.payload->events.scanned);
            cost = cost - byte * (o.fragments->events.scanned - o.payload->events.scanned);
        }
        parts.push_back({Feature::kFragment, per(cost, o.fragments->events.fragments), whole.fragments});
    }
    for (std::size_t i = 0; i < kWrappings; ++i) {
        const std::optional<Observation>& wrapped = o.wrapped[i];
        if (!wrapped) continue;
        parts.push_back({feature_of(static_cast<Wrapping>(i)),
                         per(wrapped->cycles - o.base.cycles, wrapped->events.wrapped[i]), whole.wrapped[i]});
    }
}

}  // namespace

std::vector<Part> parts_of(const Observations& o, const Events& whole) {
    const CopyCost copy = copy_cost(o);
    const auto beyond = [&copy](const Observation& observed, const Observation& from) {
        return observed.cycles - from.cycles - (copy.of(observed.events) - copy.of(from.events));
    };
    const double fresh = o.fresh.events.fresh;
    std::vector<Part> parts{{Feature::kBase, o.base.cycles, 1},
                            {Feature::kTable, o.table.cycles - o.base.cycles, 1},
                            {Feature::kNewFlows, per(o.fresh.cycles - o.table.cycles, fresh), whole.fresh}};
    if (o.flow_rules)
        parts.push_back({Feature::kFlowRules, per(beyond(*o.flow_rules, o.fresh), fresh), whole.fresh});
    if (o.packet_rules) parts.push_back({Feature::kPacketRules, beyond(*o.packet_rules, o.fresh), 1});
    if (o.payload) {
        parts.push_back(
            {Feature::kPayload, per(beyond(*o.payload, o.fresh), o.payload->events.scanned), whole.scanned});
    }
    if (o.payload && o.held) {
        parts.push_back(
            {Feature::kHold, per(beyond(*o.held, *o.payload), o.held->events.held), held_in_whole(o, whole)});
    }
    if (o.copy) parts.push_back({Feature::kCopy, copy.first, whole.selected});
    if (o.copies) parts.push_back({Feature::kFurtherCopies, copy.further, whole.copies - whole.selected});
    if (o.copy && o.balance) {
        parts.push_back({Feature::kBalance, per(o.balance->cycles - o.copy->cycles, fresh),
                         whole.fresh * whole.selected});
    }
    if (o.records) parts.push_back({Feature::kRecords, o.records->cycles - o.fresh.cycles, 1});
    if (o.flow_key) parts.push_back({Feature::kFlowKey, o.flow_key->cycles - o.fresh.cycles, 1});
    if (o.copy && o.limited) {
        parts.push_back({Feature::kLimit, per(o.limited->cycles - o.copy->cycles, o.limited->events.limited),
                         whole.limited});
    }
    if (o.response_lasting && o.response) {
        const StageCycles packet = o.response_lasting->cycles - o.table.cycles;
        parts.push_back({Feature::kResponse, packet, 1});
        parts.push_back({Feature::kResponseNewFlows, per(o.response->cycles - o.fresh.cycles - packet, fresh),
                         whole.fresh});
    }
    add_kinds_of_packets(o, whole, beyond, parts);
    return parts;
}

StageCycles sum_of(const std::vector<Part>& parts) {
    StageCycles sum;
    for (const Part& part : parts) sum = sum + part.cycles();
    return sum;
}

StageCycles apart_cost(const Observations& o, const Events& whole) {
    if (!o.apart) return {};
    if (o.payload) return o.apart->cycles - o.payload->cycles;
    StageCycles cost = o.apart->cycles - (o.copy ? o.copy->cycles : o.fresh.cycles);
    cost.tx *= whole.copies;
    return cost;
}

StageCycles down_cost(const Observations& o) {
    if (!o.copy || !o.down) return {};
    return per(o.down->cycles - o.copy->cycles, o.down->events.selected);
}

std::vector<Part> with_packets_per_flow(std::vector<Part> parts, double packets) {
    const auto now = std::ranges::find(parts, Feature::kNewFlows, &Part::feature);
    if (now == parts.end() || now->events <= 0) return parts;
    const double by = 1 / packets / now->events;
    for (Part& part : parts) {
        constexpr Feature kByFlow[]{Feature::kNewFlows, Feature::kFlowRules, Feature::kBalance,
                                    Feature::kResponseNewFlows};
        if (std::ranges::find(kByFlow, part.feature) != std::end(kByFlow)) part.events *= by;
    }
    return parts;
}

bool select_is_apart(const dataplane::LcorePlan& plan) {
    std::set<unsigned> select;
    std::set<unsigned> others;
    for (const dataplane::LcorePlan::Lcore& lcore : plan.lcores) {
        const auto in = [&lcore](const std::vector<unsigned>& list) {
            return std::ranges::find(list, lcore.id) != list.end();
        };
        if (in(plan.select)) select.insert(lcore.cpu);
        if (in(plan.rx) || in(plan.tx)) others.insert(lcore.cpu);
    }
    return std::ranges::none_of(select, [&others](unsigned cpu) { return others.contains(cpu); });
}

Bottleneck bottleneck_of(const dataplane::LcorePlan& plan, const StageCycles& cycles, std::size_t sources,
                         std::size_t tools) {
    std::map<unsigned, unsigned> cpu_of;
    for (const dataplane::LcorePlan::Lcore& lcore : plan.lcores) cpu_of[lcore.id] = lcore.cpu;
    std::map<unsigned, Bottleneck> by_cpu;
    const auto add = [&](const std::vector<unsigned>& lcores, std::size_t most, double stage,
                         const char* name) {
        const std::size_t used = std::min(lcores.size(), std::max<std::size_t>(most, 1));
        for (std::size_t i = 0; i < used; ++i) {
            Bottleneck& one = by_cpu[cpu_of[lcores[i]]];
            one.cpu = cpu_of[lcores[i]];
            one.cycles += stage / static_cast<double>(used);
            if (one.stages.find(name) != std::string::npos) continue;
            one.stages += one.stages.empty() ? name : fmt::format(" and {}", name);
        }
    };
    add(plan.rx, sources, cycles.rx, "rx");
    add(plan.select, plan.select.size(), cycles.select, "select");
    add(plan.tx, tools, cycles.tx, "tx");
    Bottleneck worst;
    for (const auto& [cpu, one] : by_cpu) {
        if (one.cycles > worst.cycles) worst = one;
    }
    return worst;
}

}  // namespace yagura::bench
