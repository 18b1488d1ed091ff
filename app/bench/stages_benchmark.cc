// SPDX-License-Identifier: BSD-3-Clause
// The stages of the data path, run to completion on one lcore: receive, parse, steer, ring, flow table,
// policy, ring, send. The ceiling, measured in the same run, has the same source and sink and two rings of
// the same size, and does not look at the packets.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <array>
#include <memory>

#include "app/bench/benchmarks.h"
#include "app/bench/forward_options.h"
#include "app/bench/memory_source.h"
#include "app/bench/stage_rig.h"
#include "app/bench/traffic.h"
#include "drivers/loop/loop.h"

namespace yagura::bench {
namespace {

struct StagesChoice {
    std::uint32_t flows = 1000;
    std::vector<std::string> sizes{"64"};
    std::vector<std::uint32_t> rules{1};
    std::vector<unsigned> hits{100};
    std::vector<unsigned> tools{1};
    std::vector<unsigned> bursts{8, 32, 64};
};

/// What one figure is of.
struct Variant {
    FrameSizes sizes;
    std::uint32_t rules;
    unsigned hits;  ///< percent of the flows
    unsigned tools;
    unsigned burst;
};

/// Source, ring, ring, sink.
class Ceiling {
  public:
    static base::Result<std::unique_ptr<Ceiling>> create(port::RxQueue& source, port::TxQueue& sink,
                                                         unsigned burst) {
        auto first = dataplane::PacketRing::create(Stages::kRingSize);
        if (!first) return first.error();
        auto second = dataplane::PacketRing::create(Stages::kRingSize);
        if (!second) return second.error();
        return std::unique_ptr<Ceiling>(
            new Ceiling(source, sink, std::move(*first), std::move(*second), burst));
    }

    void run_burst() {
        std::array<rte_mbuf*, dataplane::kMaxBurst> burst;
        unsigned n = source_.receive({burst.data(), burst_});
        n = first_->put({burst.data(), n});
        n = first_->take({burst.data(), burst_});
        n = second_->put({burst.data(), n});
        n = second_->take({burst.data(), burst_});
        lost_ += n - sink_.send({burst.data(), n});
    }
    std::uint64_t lost() const { return lost_; }

  private:
    Ceiling(port::RxQueue& source, port::TxQueue& sink, std::unique_ptr<dataplane::PacketRing> first,
            std::unique_ptr<dataplane::PacketRing> second, unsigned burst)
        : source_(source), sink_(sink), first_(std::move(first)), second_(std::move(second)), burst_(burst) {}

    port::RxQueue& source_;
    port::TxQueue& sink_;
    std::unique_ptr<dataplane::PacketRing> first_;
    std::unique_ptr<dataplane::PacketRing> second_;
    unsigned burst_;
    std::uint64_t lost_ = 0;
};

/// One figure, with all that it needs.
class Setting {
  public:
    static base::Result<std::unique_ptr<Setting>> create(const Variant& variant, std::uint32_t flows) {
        auto store = PacketStore::create(make_packets(flows, flows, variant.sizes, variant.hits), true);
        if (!store) return store.error();
        const ForwardTraffic traffic{.source = SourceKind::kRepeating,
                                     .sizes = variant.sizes,
                                     .flows = flows,
                                     .rules = variant.rules,
                                     .hits = variant.hits,
                                     .tool_devices = {variant.tools, "loop:"}};
        const auto loaded = make_config(traffic, "loop:", {});
        if (!loaded) return loaded.error();
        std::unique_ptr<Setting> setting(new Setting(variant, std::move(*store), flows));
        auto stages = Stages::create({.source = &setting->source_,
                                      .sinks = {variant.tools, &setting->sink_},
                                      .policy = select::make_policy(loaded->config, loaded->compiled),
                                      .burst = variant.burst,
                                      .inspect = {.flows = flows}});
        if (!stages) return stages.error();
        auto ceiling = Ceiling::create(setting->source_, setting->sink_, variant.burst);
        if (!ceiling) return ceiling.error();
        setting->stages_ = std::move(*stages);
        setting->ceiling_ = std::move(*ceiling);
        return setting;
    }

    /// Yagura, the ceiling, and yagura by stage.
    Group group() {
        const unsigned burst = variant_.burst;
        const auto over = [burst](auto run_burst) {
            return [burst, run_burst](std::size_t items, std::span<std::uint64_t> cycles) {
                for (std::size_t i = 0; i < items; i += burst) run_burst(cycles);
            };
        };
        const std::size_t lap = (flows_ + burst - 1) / burst * burst;
        return {.subjects = {{.run = over([this](std::span<std::uint64_t>) { stages_->run_burst(); })},
                             {.run = over([this](std::span<std::uint64_t>) { ceiling_->run_burst(); })},
                             {.run = over([this](std::span<std::uint64_t> c) { stages_->run_burst(c); }),
                              .parts = Stages::kCount}},
                .unit = burst,
                .warm_up = lap};
    }

    /// Everything that went in came out, or the figures mean nothing.
    base::Result<void> check() {
        stages_->drain();
        if (store_->whole()) return {};
        return base::Error{"some packets did not come out"};
    }
    const Variant& variant() const { return variant_; }

  private:
    Setting(const Variant& variant, std::unique_ptr<PacketStore> store, std::uint32_t flows)
        : variant_(variant), store_(std::move(store)), source_(*store_), flows_(flows) {}

    Variant variant_;
    std::unique_ptr<PacketStore> store_;
    RepeatingSource source_;
    loop::LoopSink sink_;
    std::unique_ptr<Stages> stages_;
    std::unique_ptr<Ceiling> ceiling_;
    std::size_t flows_;
};

base::Result<std::vector<Variant>> variants_of(const StagesChoice& choice) {
    std::vector<Variant> variants;
    for (const std::string& size : choice.sizes) {
        const auto sizes = parse_frame_sizes(size);
        if (!sizes) return sizes.error();
        for (const std::uint32_t rules : choice.rules) {
            for (const unsigned hits : choice.hits) {
                for (const unsigned tools : choice.tools) {
                    for (const unsigned burst : choice.bursts) {
                        variants.push_back({*sizes, rules, hits, tools, burst});
                    }
                }
            }
        }
    }
    return variants;
}

base::Result<Report> run_stages(const StagesChoice& choice, const Common& common) {
    const auto variants = variants_of(choice);
    if (!variants) return variants.error();
    unsigned memory_mib = memory_for(0);
    for (const Variant& v : *variants) memory_mib += PacketStore::memory_mib(choice.flows, v.sizes.most());
    if (auto started = start(common.cpu, memory_mib); !started) return started.error();
    std::vector<std::unique_ptr<Setting>> settings;
    std::vector<Group> groups;
    for (const Variant& variant : *variants) {
        auto setting = Setting::create(variant, choice.flows);
        if (!setting) return setting.error();
        groups.push_back((*setting)->group());
        settings.push_back(std::move(*setting));
    }
    const Measurement measurement = measure(groups, common.measure);

    Report report{.benchmark = "stages", .tables = {}, .interrupted_share = measurement.interrupted_share};
    report.tables.push_back(
        {.title = fmt::format("Receive, parse, steer, ring, select, ring, send: {} flows in turn, one lcore",
                              choice.flows),
         .labels = {"frames", "rules", "hits", "tools", "burst"},
         .columns = {{"yagura", "cycles per packet"},
                     {"ceiling", "cycles per packet"},
                     {"ceiling / yagura", "", 3},
                     {"rate / that of the first line", "", 2},
                     {"rx", "cycles"},
                     {"select", "cycles"},
                     {"tx", "cycles"}},
         .rows = {},
         .notes = {
             "The ceiling takes the packets from the same source through two rings of the same size to the "
             "same sink, one tool, and does not look at them. Neither has a driver: the packets lie in the "
             "ring of their pool; the source takes them from there, and whoever frees them puts them back.",
             "All flows are known and their verdicts made; the first packet of a flow costs more "
             "(`filters`).",
             "rx, select and tx are from a run of their own with a clock around each stage, which costs "
             "itself some cycles a burst; rx includes parsing, steering and its ring, select both its rings.",
             "The last of the rules is `tcp port 80`, which selects the hits, for all tools; the others are "
             "plain 5-tuples that match nothing."}});
    const Comparison& first = measurement.groups[0];
    for (std::size_t i = 0; i < settings.size(); ++i) {
        if (auto whole = settings[i]->check(); !whole) return whole.error();
        const Comparison& c = measurement.groups[i];
        const Variant& v = settings[i]->variant();
        report.tables[0].rows.push_back(
            {.labels = {v.sizes.name, std::to_string(v.rules), fmt::format("{} %", v.hits),
                        std::to_string(v.tools), std::to_string(v.burst)},
             .figures = {c.subjects[0].cycles, c.subjects[1].cycles, c.ratio(1, 0),
                         ratio_by_repeat(first.subjects[0].cycles, c.subjects[0].cycles),
                         c.subjects[2].parts[0], c.subjects[2].parts[1], c.subjects[2].parts[2]}});
    }
    return report;
}

}  // namespace

void add_stages(CLI::App& app, Benchmark& chosen) {
    auto choice = std::make_shared<StagesChoice>();
    CLI::App* command = app.add_subcommand(
        "stages", "Cycles per packet of the stages, one after the other on one thread, beside a ceiling");
    const auto add_list = [command](const char* name, auto& values, const char* help) {
        return command->add_option(name, values, help)->delimiter(',')->capture_default_str();
    };
    command->add_option("--flows", choice->flows, "Flows, a packet of each in turn")
        ->check(CLI::Range(2 * dataplane::kMaxBurst, 4'000'000u))
        ->capture_default_str();
    add_list("--size", choice->sizes, "Bytes of a frame, or imix (7:4:1 of 64, 594 and 1518)");
    add_list("--rules", choice->rules, "Rules: the one that matches, and others that do not")
        ->check(CLI::Range(1u, 1'000'000u));
    add_list("--hits", choice->hits, "Percent of the flows that the last rule selects")
        ->check(CLI::Range(1u, 100u));
    add_list("--tools", choice->tools, "Tools that each get what is selected")->check(CLI::Range(1u, 64u));
    add_list("--burst", choice->bursts, "Packets handled at a time")
        ->check(CLI::Range(1u, dataplane::kMaxBurst));
    command->callback([choice, &chosen] {
        chosen = [choice](const Common& common) { return run_stages(*choice, common); };
    });
}

}  // namespace yagura::bench
