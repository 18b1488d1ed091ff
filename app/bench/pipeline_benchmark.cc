// SPDX-License-Identifier: BSD-3-Clause
// The stages of the data path, run to completion on one lcore: receive, parse, steer, ring, flow table,
// policy, ring, send. The ceiling, measured in the same run, has the same source and sink and two rings of
// the same size, and does not look at the packets.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <array>
#include <memory>

#include "app/bench/benchmarks.h"
#include "app/bench/frame_set.h"
#include "app/bench/rule_texts.h"
#include "app/bench/stage_rig.h"
#include "drivers/loop/loop.h"
#include "port/packet_pool.h"

namespace yagura::bench {
namespace {

struct PipelineChoice {
    std::uint32_t flows = 1000;
    std::uint32_t size = 64;
    std::vector<std::uint32_t> rules{1};
    std::vector<unsigned> bursts{8, 32, 64};
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

/// One number of rules and one burst size, with all that they need.
class Setting {
  public:
    static base::Result<std::unique_ptr<Setting>> create(const FrameSet& set,
                                                         std::shared_ptr<const select::PolicySnapshot> policy,
                                                         unsigned burst) {
        std::unique_ptr<Setting> setting(new Setting(set, burst));
        auto stages = Stages::create({.source = &setting->source_,
                                      .sinks = {&setting->sink_},
                                      .policy = std::move(policy),
                                      .burst = burst,
                                      .inspect = {.flows = set.frames().size()}});
        if (!stages) return stages.error();
        auto ceiling = Ceiling::create(setting->source_, setting->sink_, burst);
        if (!ceiling) return ceiling.error();
        setting->stages_ = std::move(*stages);
        setting->ceiling_ = std::move(*ceiling);
        return setting;
    }

    /// Yagura, the ceiling, and yagura by stage.
    Group group() {
        const auto over = [this](auto run_burst) {
            return [this, run_burst](std::size_t items, std::span<std::uint64_t> cycles) {
                for (std::size_t i = 0; i < items; i += burst_) run_burst(cycles);
            };
        };
        const std::size_t lap = (flows_ + burst_ - 1) / burst_ * burst_;
        return {.subjects = {{.run = over([this](std::span<std::uint64_t>) { stages_->run_burst(); })},
                             {.run = over([this](std::span<std::uint64_t>) { ceiling_->run_burst(); })},
                             {.run = over([this](std::span<std::uint64_t> c) { stages_->run_burst(c); }),
                              .parts = Stages::kCount}},
                .unit = burst_,
                .warm_up = lap};
    }

    /// Everything that went in came out, or the figures mean nothing.
    base::Result<void> check() const {
        if (sink_.sent() == source_.handed()) return {};
        return base::Error{fmt::format("of {} packets only {} came out", source_.handed(), sink_.sent())};
    }

  private:
    Setting(const FrameSet& set, unsigned burst) : source_(set), burst_(burst), flows_(set.frames().size()) {}

    RecyclingQueue source_;
    RecyclingSink sink_;
    std::unique_ptr<Stages> stages_;
    std::unique_ptr<Ceiling> ceiling_;
    unsigned burst_;
    std::size_t flows_;
};

base::Result<Report> run_pipeline(const PipelineChoice& choice, const Common& common) {
    if (auto started = start(common.cpu, memory_for(choice.flows)); !started) return started.error();
    RawFrames raw;
    for (loop::Frame& frame :
         loop::make_frames({.flows = choice.flows, .size = choice.size}, base::PortId(0))) {
        const auto size = static_cast<std::uint32_t>(frame.bytes.size());
        raw.frames.push_back({.bytes = std::move(frame.bytes), .wire_length = size});
    }
    auto set = FrameSet::create(raw);
    if (!set) return set.error();

    struct Row {
        std::uint32_t rules;
        unsigned burst;
        std::unique_ptr<Setting> setting;
    };
    std::vector<Row> rows;
    std::vector<Group> groups;
    for (const std::uint32_t rules : choice.rules) {
        const auto policy = policy_of_port_80(rules);
        if (!policy) return policy.error();
        for (const unsigned burst : choice.bursts) {
            auto setting = Setting::create(**set, policy.value(), burst);
            if (!setting) return setting.error();
            groups.push_back((*setting)->group());
            rows.push_back({.rules = rules, .burst = burst, .setting = std::move(*setting)});
        }
    }
    const Measurement measurement = measure(groups, common.measure);

    Report report{.benchmark = "pipeline", .tables = {}, .interrupted_share = measurement.interrupted_share};
    report.tables.push_back(
        {.title = fmt::format("Receive, parse, steer, ring, select, ring, send: {} flows in turn, frames of "
                              "{} bytes, one lcore",
                              choice.flows, choice.size),
         .labels = {"rules", "burst"},
         .columns = {{"yagura", "cycles per packet"},
                     {"ceiling", "cycles per packet"},
                     {"ceiling / yagura", "", 3},
                     {"rx", "cycles"},
                     {"select", "cycles"},
                     {"tx", "cycles"}},
         .rows = {},
         .notes = {
             "The ceiling takes the packets from the same source through two rings of the same size to the "
             "same sink, and does not look at them. Neither has a driver: the source hands the same mbufs "
             "out again and the sink counts them.",
             "All flows are known and their verdicts made; the first packet of a flow costs more "
             "(`filters`).",
             "rx, select and tx are from a run of their own with a clock around each stage, which costs "
             "itself some cycles a burst; rx includes parsing, steering and its ring, select both its rings.",
             "The last of the rules is `tcp port 80`, which selects every packet; the others are plain "
             "5-tuples that match nothing."}});
    for (std::size_t i = 0; i < rows.size(); ++i) {
        if (auto whole = rows[i].setting->check(); !whole) return whole.error();
        const Comparison& c = measurement.groups[i];
        report.tables[0].rows.push_back(
            {.labels = {std::to_string(rows[i].rules), std::to_string(rows[i].burst)},
             .figures = {c.subjects[0].cycles, c.subjects[1].cycles, c.ratio(1, 0), c.subjects[2].parts[0],
                         c.subjects[2].parts[1], c.subjects[2].parts[2]}});
    }
    return report;
}

}  // namespace

void add_pipeline(CLI::App& app, Benchmark& chosen) {
    auto choice = std::make_shared<PipelineChoice>();
    CLI::App* command = app.add_subcommand("pipeline", "Cycles per packet from source to sink, and by stage");
    command->add_option("--flows", choice->flows, "Flows, a packet of each in turn")
        ->check(CLI::Range(2 * dataplane::kMaxBurst, 4'000'000u))
        ->capture_default_str();
    command->add_option("--size", choice->size, "Bytes of a frame")
        ->check(CLI::Range(60u, std::uint32_t{port::kMbufDataSize}))
        ->capture_default_str();
    command->add_option("--rules", choice->rules, "Rules: the one that matches, and others that do not")
        ->delimiter(',')
        ->check(CLI::Range(1u, 1'000'000u))
        ->capture_default_str();
    command->add_option("--burst", choice->bursts, "Packets handled at a time")
        ->delimiter(',')
        ->check(CLI::Range(1u, dataplane::kMaxBurst))
        ->capture_default_str();
    command->callback([choice, &chosen] {
        chosen = [choice](const Common& common) { return run_pipeline(*choice, common); };
    });
}

}  // namespace yagura::bench
