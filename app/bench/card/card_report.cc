// SPDX-License-Identifier: BSD-3-Clause
#include "app/bench/card/card_report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "app/bench/card/card_lines.h"

namespace yagura::bench {
namespace {

constexpr double kMega = 1e6;
constexpr double kGiga = 1e9;

/// A figure for each repeat.
template <class F>
Spread over(std::size_t repeats, F value) {
    std::vector<double> values;
    for (std::size_t i = 0; i < repeats; ++i) values.push_back(value(i));
    return spread_of(std::move(values));
}

class Card {
  public:
    Card(const broker::LoadedConfig& loaded, const dataplane::LcorePlan& plan, const CardChoice& choice,
         const CardFigures& figures, std::uint64_t hz)
        : loaded_(loaded),
          config_(loaded.config),
          plan_(plan),
          choice_(choice),
          figures_(figures),
          hz_(static_cast<double>(hz)),
          used_(Features::of(loaded)),
          repeats_(figures.whole.size()) {
        for (std::size_t i = 0; i < repeats_; ++i)
            parts_.push_back(parts_of(figures.parts[i], figures.whole[i].events));
    }

    Report report() const {
        Report report{.benchmark = "card", .tables = {}, .interrupted_share = figures_.interrupted_share};
        report.tables.push_back(features());
        report.tables.push_back(together());
        report.tables.push_back(other_traffic());
        return report;
    }

  private:
    const Events& events() const { return figures_.whole.front().events; }
    const Part* part(std::size_t repeat, Feature feature) const {
        const auto found = std::ranges::find(parts_[repeat], feature, &Part::feature);
        return found == parts_[repeat].end() ? nullptr : &*found;
    }

    Table features() const {
        Table table{.title = "What each feature adds",
                    .labels = {"feature", "in this configuration", "counted by"},
                    .columns = {{"alone", "cycles each", 2},
                                {"events", "per packet", 3},
                                {"adds", "cycles per packet"},
                                {"share of the sum", "%", 0}},
                    .rows = {},
                    .notes = {}};
        for (const CardLine& line : card_lines(loaded_, choice_, figures_)) {
            const bool used = part(0, line.feature) != nullptr;
            Table::Row row{.labels = {line.name, used ? line.here : line.absent, used ? line.each : ""},
                           .figures = std::vector<std::optional<Spread>>(table.columns.size())};
            if (used) {
                row.figures[0] =
                    over(repeats_, [&](std::size_t i) { return part(i, line.feature)->alone.total(); });
                row.figures[1] = spread_of({part(0, line.feature)->events});
                row.figures[2] =
                    over(repeats_, [&](std::size_t i) { return part(i, line.feature)->cycles().total(); });
                row.figures[3] = spread_of({row.figures[2]->median / predicted().median * 100});
            }
            table.rows.push_back(std::move(row));
        }
        add_beside_the_sum(table);
        for (const auto& [name, cycles] : {std::pair("all together, predicted", predicted()),
                                           std::pair("all together, measured", measured())}) {
            table.rows.push_back({.labels = {name, "", "packet"}, .figures = {{}, {}, cycles, {}}});
        }
        table.notes = traffic_notes();
        table.notes.insert(
            table.notes.end(),
            {"Each line is measured alone: the first one with few flows that last and no rule, the next with "
             "all flows, "
             "then with flows that end, and each other feature as the only one added to that; what its rules "
             "forward is taken out and counted in the lines on tools.",
             "\"Events\" are counted, not timed: how often per packet the whole configuration does it with "
             "this "
             "traffic. What a new flow costs weighs less the longer flows are, what payload costs goes by "
             "the bytes "
             "that are scanned: no more than stream_depth of a direction, and none of a decided flow.",
             "The lines on kinds of packets are those of packets in the named headers, and of fragments, "
             "beside packets that are neither; what stands in front comes on top of --size. Their events are "
             "those of --share.",
             "There is no driver in the figures: packets come from memory, just written, and are freed where "
             "they "
             "end. `yagura-bench forward` measures drivers."});
        return table;
    }

    /// What is no part of the sum, which is of one lcore while all tools are up.
    void add_beside_the_sum(Table& table) const {
        const auto add = [&](const char* name, const std::string& here, bool used, auto cost) {
            Table::Row row{.labels = {name, used ? here : "not used", used ? "packet" : ""},
                           .figures = std::vector<std::optional<Spread>>(table.columns.size())};
            if (used)
                row.figures[0] =
                    over(repeats_, [&](std::size_t i) { return cost(figures_.parts[i]).total(); });
            table.rows.push_back(std::move(row));
        };
        add("a packet whose tool is down, not in the sum", "another tool of the group stands in",
            figures_.parts.front().down.has_value(), down_cost);
        add("packets change CPUs, not in the sum", plan_.to_string(), !figures_.whole_apart.empty(),
            [this](const Observations& observations) { return apart_cost(observations, events()); });
    }

    std::vector<std::string> traffic_notes() const {
        std::vector<std::string> notes = figures_.notes;
        notes.insert(
            notes.begin(),
            fmt::format("The traffic: {:.0f} % of packets were selected, {:.2f} copies for each packet; "
                        "{:.0f} % of the frames' bytes were scanned.",
                        events().selected * 100, events().copies, figures_.payload_scanned_share * 100));
        constexpr std::size_t kMostNamed = 20;
        const auto& ids = figures_.rules_not_met;
        if (ids.empty()) return notes;
        const std::vector<std::uint64_t> named(
            ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(std::min(kMostNamed, ids.size())));
        notes.push_back(
            fmt::format("Rules that no packet of this traffic met, so that what they do then is not in "
                        "the figures: {}{}.",
                        fmt::join(named, ", "),
                        ids.size() > kMostNamed ? fmt::format(" and {} more", ids.size() - kMostNamed) : ""));
        return notes;
    }

    Spread predicted() const {
        return over(repeats_, [this](std::size_t i) { return sum_of(parts_[i]).total(); });
    }
    Spread measured() const {
        return over(repeats_, [this](std::size_t i) { return figures_.whole[i].cycles.total(); });
    }
    Spread rate(const Spread& cycles) const {
        return over(repeats_, [&](std::size_t i) { return hz_ / cycles.repeats[i] / kMega; });
    }
    Spread bits(const Spread& cycles) const {
        return over(repeats_, [&](std::size_t i) {
            return hz_ / cycles.repeats[i] * figures_.bytes_per_packet * 8 / kGiga;
        });
    }
    Spread error(const Spread& of, const Spread& against) const {
        return over(repeats_, [&](std::size_t i) { return (of.repeats[i] / against.repeats[i] - 1) * 100; });
    }

    Table together() const {
        Table table{.title = "Together",
                    .labels = {"on"},
                    .columns = {{"predicted", "cycles per packet"},
                                {"measured", "cycles per packet"},
                                {"error", "%"},
                                {"predicted rate", "Mpps", 2},
                                {"measured rate", "Mpps", 2},
                                {"predicted throughput", "Gbit/s", 1},
                                {"measured throughput", "Gbit/s", 1}},
                    .rows = {},
                    .notes = {}};
        const auto add = [&](std::string name, const Spread& p, const Spread& m, bool rates) {
            Table::Row row{.labels = {std::move(name)},
                           .figures = std::vector<std::optional<Spread>>(table.columns.size())};
            row.figures[0] = p;
            row.figures[1] = m;
            row.figures[2] = error(p, m);
            if (rates) {
                row.figures[3] = rate(p);
                row.figures[4] = rate(m);
                row.figures[5] = bits(p);
                row.figures[6] = bits(m);
            }
            table.rows.push_back(std::move(row));
        };
        add("one data lcore", predicted(), measured(), true);
        const std::pair<const char*, double StageCycles::*> stages[] = {
            {"of it rx", &StageCycles::rx},
            {"of it select", &StageCycles::select},
            {"of it tx", &StageCycles::tx}};
        for (const auto& [name, stage] : stages) {
            add(name, over(repeats_, [&, at = stage](std::size_t i) { return sum_of(parts_[i]).*at; }),
                over(repeats_, [&, at = stage](std::size_t i) { return figures_.whole[i].cycles.*at; }),
                false);
        }
        add_plan(table, add);
        const double off = error(predicted(), measured()).median;
        table.notes.insert(
            table.notes.begin(),
            fmt::format(
                "The sum is {:.1f} % {} what was measured, which is what features share (a packet that is "
                "looked at for two reasons is fetched once) or fight for (caches).",
                std::abs(off), off < 0 ? "below" : "above"));
        return table;
    }

    /// The configuration's own plan, where it is more than one lcore.
    template <class Add>
    void add_plan(Table& table, Add add) const {
        if (plan_.lcores.size() < 2) return;
        const auto limit = [this](const StageCycles& cycles) {
            return bottleneck_of(plan_, cycles, config_.network_ports().size(), used_.tools.size());
        };
        const bool apart = !figures_.whole_apart.empty();
        const auto whole = [&](std::size_t i) {
            return apart ? figures_.whole_apart[i].cycles : figures_.whole[i].cycles;
        };
        const auto sum = [&](std::size_t i) {
            return sum_of(parts_[i]) + apart_cost(figures_.parts[i], events());
        };
        const Bottleneck worst = limit(whole(0));
        add(fmt::format("{}: CPU {}, {}", plan_.to_string(), worst.cpu, worst.stages),
            over(repeats_, [&](std::size_t i) { return limit(sum(i)).cycles; }),
            over(repeats_, [&](std::size_t i) { return limit(whole(i)).cycles; }), true);
        table.notes.push_back(apart
                                  ? "The last line is the configuration's own plan on this machine: the CPU "
                                    "that has most to do, by "
                                    "the stages' cycles, measured with select on another CPU than rx and tx."
                                  : "The last line is the configuration's own plan on this machine: the CPU "
                                    "that has most to do, by "
                                    "the stages' cycles as measured on one CPU; what it costs that packets "
                                    "change CPUs is not in it.");
    }

    Table other_traffic() const {
        Table table{
            .title = "With flows of other lengths, predicted",
            .labels = {"packets a flow"},
            .columns = {{"one data lcore", "cycles per packet"}, {"rate", "Mpps", 2}},
            .rows = {},
            .notes = {"Computed from the lines above: what is counted by the new flow is weighed anew. That "
                      "short flows have less payload is not."}};
        for (const double packets : {2.0, 5.0, 20.0, 100.0, 1000.0}) {
            const Spread cycles = over(repeats_, [&](std::size_t i) {
                return sum_of(with_packets_per_flow(parts_[i], packets)).total();
            });
            table.rows.push_back(
                {.labels = {fmt::format("{:.0f}", packets)}, .figures = {cycles, rate(cycles)}});
        }
        return table;
    }

    const broker::LoadedConfig& loaded_;
    const rules::Config& config_;
    const dataplane::LcorePlan& plan_;
    const CardChoice& choice_;
    const CardFigures& figures_;
    double hz_;
    Features used_;
    std::size_t repeats_;
    std::vector<std::vector<Part>> parts_;
};

}  // namespace

Report card_report(const broker::LoadedConfig& loaded, const dataplane::LcorePlan& plan,
                   const CardChoice& choice, const CardFigures& figures, std::uint64_t hz) {
    return Card(loaded, plan, choice, figures, hz).report();
}

}  // namespace yagura::bench
