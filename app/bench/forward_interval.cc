// SPDX-License-Identifier: BSD-3-Clause
#include <fmt/format.h>
#include <rte_cycles.h>

#include <algorithm>

#include "app/bench/forward_run.h"
#include "broker/report.h"

namespace yagura::bench {
namespace {

/// "; no_rule 12/s" for each reason that occurred.
std::string losses(const Interval& interval, const Sample& from, const Sample& to,
                   const rules::Config& config) {
    std::string text;
    const auto add = [&](std::string_view what, std::uint64_t packets) {
        if (packets != 0) text += fmt::format(", {} {:.0f}/s", what, interval.per_second(packets));
    };
    for (std::size_t reason = 0; reason < select::kDropReasons; ++reason) {
        std::uint64_t packets = 0;
        for (std::size_t i = 0; i < to.stats.ports.size(); ++i) {
            packets += (to.stats.ports[i].dropped[reason] - from.stats.ports[i].dropped[reason]).packets;
        }
        add(select::drop_reason_name(static_cast<select::DropReason>(reason)), packets);
    }
    const auto tools = config.tool_ports();
    for (std::size_t tool = 0; tool < tools.size(); ++tool) {
        for (std::size_t reason = 0; reason < port::kShedReasons; ++reason) {
            add(fmt::format("{} {}", tools[tool]->name,
                            broker::shed_reason_name(static_cast<port::ShedReason>(reason))),
                (to.stats.tools[tool].shed[reason] - from.stats.tools[tool].shed[reason]).packets);
        }
    }
    return text.empty() ? "none" : text.substr(2);
}

}  // namespace

std::uint64_t Sample::received() const {
    std::uint64_t packets = 0;
    for (const dataplane::PortStats& port : stats.ports) packets += port.received.packets;
    return packets;
}

Interval::Interval(const Sample& from, const Sample& to, bool one_lcore)
    : seconds(to.seconds - from.seconds),
      source{.laps = to.source.laps - from.source.laps,
             .payload_bytes = to.source.payload_bytes - from.source.payload_bytes,
             .writing_cycles = to.source.writing_cycles - from.source.writing_cycles},
      scanned_bytes(to.stats.streams.scanned_bytes - from.stats.streams.scanned_bytes) {
    for (std::size_t i = 0; i < to.stats.ports.size(); ++i) {
        received += to.stats.ports[i].received - from.stats.ports[i].received;
        dropped += to.stats.ports[i].dropped_total() - from.stats.ports[i].dropped_total();
    }
    for (std::size_t i = 0; i < to.stats.tools.size(); ++i) {
        sent.push_back(to.stats.tools[i].sent - from.stats.tools[i].sent);
    }
    for (std::size_t i = 0; i < to.stats.threads.size(); ++i) {
        const dataplane::ThreadStats& a = from.stats.threads[i];
        const dataplane::ThreadStats& b = to.stats.threads[i];
        threads.push_back({.lcore = b.lcore,
                           .busy_turns = b.busy_turns - a.busy_turns,
                           .empty_turns = b.empty_turns - a.empty_turns,
                           .packets = b.packets - a.packets,
                           .cycles = *b.cycles - *a.cycles});
        cycles += *threads.back().cycles;
    }
    std::uint64_t& rx = cycles.busy[static_cast<std::size_t>(dataplane::StageKind::kRx)];
    rx -= std::min(rx, source.writing_cycles);
    if (one_lcore) {
        seconds -= static_cast<double>(source.writing_cycles) / static_cast<double>(rte_get_tsc_hz());
    }
}

double Interval::per_packet(std::uint64_t n) const {
    return received.packets == 0 ? 0 : static_cast<double>(n) / static_cast<double>(received.packets);
}

base::Count Interval::sent_total() const {
    base::Count total;
    for (const base::Count& count : sent) total += count;
    return total;
}

double Interval::busy_share() const {
    std::uint64_t busy = 0;
    std::uint64_t all = 0;
    for (const dataplane::ThreadStats& thread : threads) {
        busy += thread.busy_turns;
        all += thread.busy_turns + thread.empty_turns;
    }
    return all == 0 ? 0 : static_cast<double>(busy) / static_cast<double>(all);
}

std::string live_line(const Interval& interval, const Sample& from, const Sample& to,
                      const rules::Config& config) {
    std::string text = fmt::format("{:4.0f} s  Rx-pps: {:.0f} ({:.2f} Gbit/s)  Tx-pps:", to.seconds,
                                   interval.per_second(interval.received.packets),
                                   interval.per_second(interval.received.bytes) * 8 / 1e9);
    const auto tools = config.tool_ports();
    for (std::size_t i = 0; i < tools.size(); ++i) {
        text += fmt::format(" {} {:.0f}", tools[i]->name, interval.per_second(interval.sent[i].packets));
    }
    text += fmt::format("  cycles/packet: {:.1f} (", interval.per_packet(interval.cycles.busy_total()));
    for (std::size_t kind = 0; kind < dataplane::kStageKinds; ++kind) {
        text += fmt::format("{}{} {:.1f}", kind == 0 ? "" : ", ", dataplane::kStageNames[kind],
                            interval.per_packet(interval.cycles.busy[kind]));
    }
    return text + fmt::format(")  busy: {:.0f} %  drops: {}\n", interval.busy_share() * 100,
                              losses(interval, from, to, config));
}

}  // namespace yagura::bench
