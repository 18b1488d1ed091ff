// SPDX-License-Identifier: BSD-3-Clause
#include "app/bench/card/card_rig.h"

#include <fmt/format.h>
#include <rte_cycles.h>

#include <algorithm>
#include <array>

namespace yagura::bench {
namespace {

constexpr unsigned kBurstOfCard = 32;

}  // namespace

std::uint16_t LoadedQueue::receive(std::span<rte_mbuf*> burst) {
    const std::size_t n = std::min(burst.size(), rest_.size());
    std::copy_n(rest_.begin(), n, burst.begin());
    rest_ = rest_.subspan(n);
    return static_cast<std::uint16_t>(n);
}

base::Result<std::unique_ptr<CardRig>> CardRig::create(Options options) {
    std::unique_ptr<CardRig> rig(new CardRig(std::move(options)));
    std::vector<port::TxQueue*> sinks;
    for (loop::LoopSink& sink : rig->sinks_) sinks.push_back(&sink);
    auto stages = Stages::create({.source = &rig->queue_,
                                  .sinks = std::move(sinks),
                                  .policy = rig->options_.policy,
                                  .burst = kBurstOfCard,
                                  .inspect = rig->options_.inspect,
                                  .keep_details = rig->options_.keep_details,
                                  .release_pool = rig->options_.release_pool,
                                  .limits = rig->options_.limits,
                                  .response = rig->options_.response,
                                  .down_tools = &rig->down_tools_});
    if (!stages) return stages.error();
    rig->stages_ = std::move(*stages);
    return rig;
}

void CardRig::play(std::size_t packets, std::span<std::uint64_t> cycles) {
    while (packets > 0) {
        const auto all = options_.circle->packets();
        const std::size_t n = std::min({packets, all.size(), std::size_t{kChunk}});
        options_.writer->fill(all.first(n));
        queue_.load(all.first(n));
        const std::size_t bursts = (n + kBurstOfCard - 1) / kBurstOfCard;
        if (options_.select_on != nullptr) {
            play_apart(bursts, cycles);
        } else {
            play_together(bursts, cycles);
        }
        packets -= n;
    }
}

void CardRig::play_together(std::size_t bursts, std::span<std::uint64_t> cycles) {
    // The last turn is for the burst that select has taken and not dealt with.
    for (std::size_t i = 0; i <= bursts; ++i) {
        const std::uint64_t start = rte_rdtsc();
        stages_->rx().turn();
        const std::uint64_t received = rte_rdtsc();
        stages_->select().turn();
        const std::uint64_t selected = rte_rdtsc();
        // A release makes more than a burst for a tool: it leaves in more turns.
        do {
            stages_->tx().turn();
        } while (stages_->sends());
        const std::uint64_t sent = rte_rdtsc();
        clock(0, received - start, cycles);
        clock(1, selected - received, cycles);
        clock(2, sent - selected, cycles);
    }
}

void CardRig::play_apart(std::size_t bursts, std::span<std::uint64_t> cycles) {
    const auto timed = [&](std::size_t stage, auto turn) {
        const std::uint64_t start = rte_rdtsc();
        turn();
        clock(stage, rte_rdtsc() - start, cycles);
    };
    for (std::size_t i = 0; i < bursts; ++i) timed(0, [this] { stages_->rx().turn(); });
    options_.select_on->run([&] {
        for (std::size_t i = 0; i <= bursts; ++i) timed(1, [this] { stages_->select().turn(); });
    });
    do {
        timed(2, [this] { stages_->tx().turn(); });
    } while (stages_->sends());
}

void CardRig::clock(std::size_t stage, std::uint64_t cycles, std::span<std::uint64_t> sums) {
    constexpr double kNever = 20;          // times the usual
    constexpr double kSwitched = 100'000;  // less than a turn of anybody else's takes
    constexpr double kMemory = 64;         // turns
    const auto taken = static_cast<double>(cycles);
    double& usual = usual_[stage];
    const bool interrupted = usual != 0 && taken > kSwitched && taken > kNever * usual;
    if (!interrupted) usual += (taken - usual) / kMemory;
    sums[stage] += interrupted ? static_cast<std::uint64_t>(usual) : cycles;
}

void CardRig::open() {
    std::array<std::uint64_t, kParts> ignored{};
    play(options_.writer->opening() + kChunk, ignored);
}

Subject CardRig::subject() {
    return {.run = [this](std::size_t items, std::span<std::uint64_t> parts) { play(items, parts); },
            .parts = kParts};
}

CardRig::Counts CardRig::counts() const {
    const dataplane::SelectPortCounters& port = stages_->select().counters(base::PortId(0));
    Counts counts{.taken = port.taken.get().packets,
                  .bytes = port.taken.get().bytes,
                  .forwarded = port.forwarded.get().packets,
                  .parked = port.parked.get().packets,
                  .scanned = stages_->selector().inspector().counters().scanned_bytes.get(),
                  .written = options_.writer->written()};
    for (std::size_t i = 0; i < sinks_.size(); ++i) {
        const base::ToolId tool(static_cast<std::uint8_t>(i));
        const std::uint64_t offered = stages_->select().counters(tool).offered.get().packets;
        counts.offered += offered;
        if (i < options_.limits.size() && options_.limits[i].limits()) counts.limited += offered;
    }
    return counts;
}

void CardRig::mark() {
    mark_ = counts();
}

Events CardRig::events() const {
    const Counts now = counts();
    const auto share = [](std::uint64_t to, std::uint64_t from, std::uint64_t of) {
        return static_cast<double>(to - from) / static_cast<double>(std::max<std::uint64_t>(of, 1));
    };
    const auto per_packet = [&](std::uint64_t Counts::*which) {
        return share(now.*which, mark_.*which, now.taken - mark_.taken);
    };
    Events events{.fresh = options_.writer->fresh(),
                  .selected = per_packet(&Counts::forwarded),
                  .copies = per_packet(&Counts::offered),
                  .limited = per_packet(&Counts::limited),
                  .scanned = per_packet(&Counts::scanned),
                  .held = per_packet(&Counts::parked)};
    const std::uint64_t written = now.written.all - mark_.written.all;
    events.fragments = share(now.written.fragments, mark_.written.fragments, written);
    for (std::size_t i = 0; i < kWrappings; ++i)
        events.wrapped[i] = share(now.written.wrapped[i], mark_.written.wrapped[i], written);
    return events;
}

double CardRig::bytes_per_packet() const {
    const Counts now = counts();
    const std::uint64_t packets = std::max<std::uint64_t>(now.taken - mark_.taken, 1);
    return static_cast<double>(now.bytes - mark_.bytes) / static_cast<double>(packets);
}

std::vector<select::DecisionTable::RuleCount> CardRig::rule_counts() const {
    std::vector<select::DecisionTable::RuleCount> totals(options_.policy->rules->size());
    stages_->selector().add_to(totals);
    return totals;
}

base::Result<void> CardRig::check() const {
    const auto& port = stages_->rx().counters(base::PortId(0));
    const dataplane::SelectPortCounters& selected = stages_->select().counters(base::PortId(0));
    std::uint64_t out = selected.forwarded.get().packets;
    for (const base::PacketCounter& dropped : selected.dropped) out += dropped.get().packets;
    out += selected.parked.get().packets - selected.unparked.get().packets;
    out += stages_->rx().fragments().waiting(base::PortId(0)).packets;
    if (port.received.get().packets != out || port.dropped.get().packets != 0) {
        return base::Error{fmt::format("of {} packets {} came to an end", port.received.get().packets, out)};
    }
    for (std::size_t i = 0; i < sinks_.size(); ++i) {
        const auto& offered = stages_->select().counters(base::ToolId(static_cast<std::uint8_t>(i)));
        const auto& sent = stages_->tx().counters(i);
        if (offered.shed.get().packets + offered.unreleased.get().packets != 0 ||
            offered.offered.get().packets != sent.sent.get().packets) {
            return base::Error{fmt::format("tool {} did not get what was meant for it", i)};
        }
    }
    return {};
}

std::vector<std::string> CardRig::shortages() const {
    std::vector<std::string> words;
    const auto add = [&words](std::uint64_t count, const char* what) {
        if (count != 0) words.push_back(fmt::format("{} {}", count, what));
    };
    const auto& flows = stages_->select().flow_counters();
    add(flows.untracked.get(), "packets whose flow found no room (inspect.flows)");
    add(flows.evicted.get(), "flows gave way to others (inspect.flows)");
    add(flows.hold_refused.get(), "flows found no room to be held (inspect.hold_budget)");
    add(stages_->selector().let_go(), "undecided flows were let go (inspect.hold_budget, stream_budget)");
    add(stages_->rx().fragments().unmatched(), "fragments went on without the first of their datagram");
    for (std::size_t i = 0; i < sinks_.size(); ++i) {
        const auto& tool = stages_->select().shedder().counters(base::ToolId(static_cast<std::uint8_t>(i)));
        add(tool.shed.get().packets, "packets of flows that a tool had no room for");
    }
    add(stages_->selector().uninspected(), "flows were not inspected (inspect.stream_budget)");
    return words;
}

}  // namespace yagura::bench
