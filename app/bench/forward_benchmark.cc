// SPDX-License-Identifier: BSD-3-Clause
// The whole data path on its own lcores, as `yagura run` runs it, from a source to tools: packets per second
// and cycles per packet by stage, second by second.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>

#include "app/bench/benchmarks.h"
#include "app/bench/forward_run.h"
#include "broker/report.h"

namespace yagura::bench {
namespace {

template <class Value>
Spread over(const std::vector<Interval>& intervals, Value value) {
    std::vector<double> values;
    for (const Interval& interval : intervals) values.push_back(value(interval));
    return spread_of(std::move(values));
}

Spread single(std::uint64_t value) {
    return spread_of({static_cast<double>(value)});
}

std::vector<std::string> labels_of(const ForwardOptions& options,
                                   const std::optional<ForwardTraffic>& traffic, const ForwardRun& run) {
    const std::string tools = std::to_string(run.config().tool_ports().size());
    const std::string rules = std::to_string(run.config().rules.size() - options.patterns);
    const std::string lcores = run.plan().to_string();
    if (!traffic) {
        return {
            std::filesystem::path(options.config).filename().string(), "", "", rules, "", "", tools, lcores};
    }
    std::string frames = "its own";
    if (traffic->made()) frames = traffic->sizes.name;
    if (!traffic->capture.empty()) frames = std::filesystem::path(traffic->capture).filename().string();
    if (traffic->device == "null") frames = traffic->sizes.name;
    std::string source = options.source;
    if (const std::size_t slash = source.rfind('/'); source.starts_with("pcap:")) {
        source = "pcap:" + source.substr(slash == std::string::npos ? 5 : slash + 1);
    }
    return {source,
            frames,
            traffic->made() ? std::to_string(traffic->flows) : "its own",
            rules,
            std::to_string(options.patterns),
            fmt::format("{} %", traffic->hits),
            tools,
            lcores};
}

Table forwarding(const ForwardOptions& options, const std::optional<ForwardTraffic>& traffic,
                 const ForwardRun& run) {
    const std::vector<Interval>& intervals = run.intervals();
    Table table{.title = "Forwarding, from source to tools",
                .labels = {"source", "frames", "flows", "rules", "patterns", "hits", "tools", "lcores"},
                .columns = {{"received", "packets per second", 0},
                            {"received bits", "Gbit/s", 2},
                            {"sent", "packets per second", 0},
                            {"dropped", "packets per second", 0},
                            {"in all", "cycles per packet"},
                            {"rx", "cycles per packet"},
                            {"select", "cycles per packet"},
                            {"tx", "cycles per packet"},
                            {"busy", "% of turns"}},
                .rows = {},
                .notes = {}};
    Table::Row row{.labels = labels_of(options, traffic, run), .figures = {}};
    const auto add = [&](auto value) { row.figures.emplace_back(over(intervals, value)); };
    add([](const Interval& i) { return i.per_second(i.received.packets); });
    add([](const Interval& i) { return i.per_second(i.received.bytes) * 8 / 1e9; });
    add([](const Interval& i) { return i.per_second(i.sent_total().packets); });
    add([](const Interval& i) { return i.per_second(i.dropped.packets); });
    add([](const Interval& i) { return i.per_packet(i.cycles.busy_total()); });
    for (std::size_t kind = 0; kind < dataplane::kStageKinds; ++kind) {
        add([kind](const Interval& i) { return i.per_packet(i.cycles.busy[kind]); });
    }
    add([](const Interval& i) { return i.busy_share() * 100; });

    table.notes = run.notes();
    table.notes.push_back(
        "The repeats are the seconds of the run. Cycles are those of turns that handled a packet, with a "
        "clock "
        "around each stage, which costs itself some cycles a turn; what is between the stages is in \"in "
        "all\" "
        "alone.");
    const SourceKind kind = traffic ? traffic->source : SourceKind::kDevice;
    if (kind == SourceKind::kManyFlows || kind == SourceKind::kTape) {
        table.columns.push_back({"flows written", "cycles per packet"});
        add([](const Interval& i) { return i.per_packet(i.source.writing_cycles); });
        table.notes.push_back(
            "The source writes addresses and ports of the flow into each packet: \"flows written\", which is "
            "in no "
            "other figure (with several lcores it is in the packets per second). The first lines of the "
            "packets are in the caches after it.");
    }
    if (kind == SourceKind::kTape) {
        table.columns.push_back({"scanned", "% of payload bytes"});
        add([](const Interval& i) {
            return i.source.payload_bytes == 0 ? 0
                                               : 100 * static_cast<double>(i.scanned_bytes) /
                                                     static_cast<double>(i.source.payload_bytes);
        });
        table.notes.push_back(
            "Each lap of the packets has flows of its own, and begins when the last packet of the lap before "
            "has "
            "ended.");
    }
    table.rows.push_back(std::move(row));
    return table;
}

Table lcores(const ForwardRun& run) {
    Table table{.title = "Lcores",
                .labels = {"lcore"},
                .columns = {{"busy", "% of turns"},
                            {"busy cycles", "% of cycles"},
                            {"handled", "packets per second", 0}},
                .rows = {},
                .notes = {"A packet is handled once in each stage that it passes on the lcore."}};
    for (std::size_t t = 0; t < run.totals().threads.size(); ++t) {
        const auto share = [](std::uint64_t part, std::uint64_t rest) {
            return part + rest == 0 ? 0 : 100 * static_cast<double>(part) / static_cast<double>(part + rest);
        };
        table.rows.push_back(
            {.labels = {std::to_string(run.totals().threads[t].lcore)},
             .figures = {over(run.intervals(),
                              [&](const Interval& i) {
                                  return share(i.threads[t].busy_turns, i.threads[t].empty_turns);
                              }),
                         over(run.intervals(),
                              [&](const Interval& i) {
                                  const dataplane::StageCycles& cycles = *i.threads[t].cycles;
                                  return share(cycles.busy_total(), cycles.idle);
                              }),
                         over(run.intervals(),
                              [&](const Interval& i) { return i.per_second(i.threads[t].packets); })}});
    }
    return table;
}

Table ledger(const ForwardRun& run) {
    Table table{
        .title = "Ledger of the whole run: balanced",
        .labels = {"port", "count"},
        .columns = {{"packets", "packets", 0}, {"bytes", "bytes", 0}},
        .rows = {},
        .notes = {"Received is forwarded, dropped and held; offered is sent and shed. Every buffer came "
                  "back to its pool."}};
    const auto add = [&](const std::string& port, std::string_view count, const base::Count& value) {
        table.rows.push_back(
            {.labels = {port, std::string(count)}, .figures = {single(value.packets), single(value.bytes)}});
    };
    const auto networks = run.config().network_ports();
    for (std::size_t i = 0; i < networks.size(); ++i) {
        const dataplane::PortStats& port = run.totals().ports[i];
        add(networks[i]->name, "received", port.received);
        add(networks[i]->name, "forwarded", port.forwarded);
        for (std::size_t r = 0; r < port.dropped.size(); ++r) {
            if (port.dropped[r].packets == 0) continue;
            add(networks[i]->name, select::drop_reason_name(static_cast<select::DropReason>(r)),
                port.dropped[r]);
        }
    }
    const auto tools = run.config().tool_ports();
    for (std::size_t i = 0; i < tools.size(); ++i) {
        const dataplane::ToolStats& tool = run.totals().tools[i];
        add(tools[i]->name, "offered", tool.offered);
        add(tools[i]->name, "sent", tool.sent);
        for (std::size_t r = 0; r < tool.shed.size(); ++r) {
            if (tool.shed[r].packets == 0) continue;
            add(tools[i]->name, broker::shed_reason_name(static_cast<port::ShedReason>(r)), tool.shed[r]);
        }
    }
    return table;
}

base::Result<Report> run_forward(const ForwardOptions& options, const Common& common) {
    std::optional<ForwardTraffic> traffic;
    if (options.config.empty()) {
        auto resolved = resolve(options);
        if (!resolved) return resolved.error();
        traffic = std::move(*resolved);
    }
    auto run = ForwardRun::create(options, traffic, common.cpu);
    if (!run) return run.error();
    if (auto ran = (*run)->run(); !ran) return ran.error();
    Report report{.benchmark = "forward", .tables = {}, .interrupted_share = {}};
    report.tables = {forwarding(options, traffic, **run), lcores(**run), ledger(**run)};
    return report;
}

}  // namespace

void add_forward(CLI::App& app, Benchmark& chosen) {
    auto options = std::make_shared<ForwardOptions>();
    CLI::App* command =
        app.add_subcommand("forward", "The whole data path on its own lcores, from a source to tools");
    auto* config = command->add_option("--config", options->config,
                                       "A configuration, whose ports are opened as yagura run opens them");
    config->type_name("FILE");
    const auto add = [&](const char* name, auto& value, const char* help) {
        return command->add_option(name, value, help)->excludes(config);
    };
    add("--source", options->source,
        "memory, ring (net_ring), null (net_null), pcap:FILE (net_pcap, over and over), loop:..., or any "
        "DPDK "
        "device")
        ->capture_default_str();
    add("--tools", options->tools, "Tools in memory; each gets every selected packet (default: 1)")
        ->check(CLI::Range(1u, 64u));
    add("--tool", options->tool_devices, "DPDK device of a tool, instead of memory; may be repeated")
        ->type_name("DEVICE");
    add("--size", options->size, "Bytes of a made frame, imix (7:4:1 of 64, 594 and 1518), or capture:FILE")
        ->capture_default_str();
    add("--flows", options->flows, "Flows of made frames (default: 1000)")->check(CLI::Range(1u, 4'000'000u));
    add("--rules", options->rules,
        "Header rules: plain 5-tuples that match nothing; the last selects the hits (default: 1)")
        ->check(CLI::Range(0u, 1'000'000u));
    add("--hits", options->hits, "Percent of the flows that a rule selects (default: 100, with patterns 0)")
        ->check(CLI::Range(0u, 100u));
    add("--patterns", options->patterns, "Payload rules, a literal each, asked of all TCP")
        ->check(CLI::Range(0u, 1'000'000u))
        ->capture_default_str();
    add("--literals", options->literals, "Folder of *.rules of Suricata or Snort to take the literals of")
        ->check(CLI::ExistingDirectory)
        ->type_name("DIR");
    command->add_flag("--fresh", options->fresh, "New flows all the time, as patterns have them anyway")
        ->excludes(config);
    add("--most", options->most, "Frames taken of a capture (default: 100000)")
        ->check(CLI::Range(std::size_t{1}, std::size_t{10'000'000}));
    command->add_option("--burst", options->burst, "Packets handled at a time")
        ->check(CLI::Range(1u, dataplane::kMaxBurst))
        ->capture_default_str();
    command
        ->add_option(
            "--lcores", options->lcores,
            "Which stage runs on which lcores: 'rx=0;select=1;tx=0', auto (default: all on --cpu; as "
            "the configuration says)")
        ->type_name("PLAN");
    CLI::Option* seconds = command->add_option("--seconds", options->seconds, "Seconds that count");
    seconds->check(CLI::Range(0.01, 1e6))->capture_default_str();
    command->add_option("--warm-up", options->warm_up, "Seconds before that")
        ->check(CLI::Range(0.0, 1e6))
        ->capture_default_str();
    command->add_option("--packets", options->packets, "End after so many packets instead")
        ->excludes(seconds)
        ->check(CLI::Range(std::uint64_t{1}, ~std::uint64_t{0}));
    command->callback([options, &chosen] {
        chosen = [options](const Common& common) { return run_forward(*options, common); };
    });
}

}  // namespace yagura::bench
