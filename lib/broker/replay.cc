// SPDX-License-Identifier: BSD-3-Clause
#include "broker/replay.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>

#include "base/diagnostics.h"
#include "broker/capture_run.h"
#include "broker/file_writer.h"
#include "broker/flow_records.h"
#include "broker/interrupt.h"
#include "broker/report.h"
#include "drivers/pcap/tool_file.h"

namespace yagura::broker {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

ExitStatus fail(ExitStatus status, const std::string& message) {
    base::diagnose("yagura replay: {}{}", message, message.ends_with('\n') ? "" : "\n");
    return status;
}

/// The names that a replay writes in its folder.
std::vector<std::string> output_names(const rules::Config& config) {
    std::vector<std::string> names{"stats.json", "flows.jsonl"};
    for (const rules::Port* tool : config.tool_ports()) names.push_back(tool->name + ".pcap");
    return names;
}

/// Makes the folder; refuses to overwrite without leave, and an input in any case.
base::Result<void> prepare_folder(const ReplayOptions& options, const rules::Config& config,
                                  const std::vector<pcap::CaptureInput>& captures) {
    std::error_code error;
    fs::create_directories(options.out, error);
    if (error) return base::Error{fmt::format("--out {}: cannot be made: {}", options.out, error.message())};
    for (const std::string& name : output_names(config)) {
        const fs::path path = fs::path(options.out) / name;
        // The work files of an output stand beside it, and nobody asks before they are written.
        for (const char* suffix : {"", ".part", ".sorted"}) {
            const fs::path work = path.string() + suffix;
            if (fs::equivalent(work, options.config, error)) {
                return base::Error{
                    fmt::format("{} is the configuration, and would be overwritten; choose another --out",
                                work.string())};
            }
            for (const pcap::CaptureInput& capture : captures) {
                if (!fs::equivalent(work, capture.path, error)) continue;
                return base::Error{fmt::format(
                    "{} is an input, and would be overwritten; choose another --out", capture.path)};
            }
            if (fs::exists(work, error) && !fs::is_regular_file(work, error)) {
                return base::Error{
                    fmt::format("{} is in the way, and is not a file; choose another --out", work.string())};
            }
        }
        if (!options.force && fs::exists(path, error)) {
            return base::Error{
                fmt::format("{} exists; choose another --out, or overwrite it with --force", path.string())};
        }
    }
    return {};
}

void note_rates(const rules::Config& config) {
    for (const rules::Port* tool : config.tool_ports()) {
        if (tool->rate_bits_per_second) {
            base::diagnose("note: tool \"{}\": its rate is not applied in replay\n", tool->name);
        }
    }
}

Json run_json(const ReplayOptions& options, const dataplane::LcorePlan& plan, const dataplane::Stats& stats,
              double seconds) {
    Json threads = Json::array();
    for (const dataplane::ThreadStats& thread : stats.threads) {
        threads.push_back(thread_json(thread));
    }
    return {{"inputs", options.inputs}, {"lcores", plan.to_string()},   {"burst", options.burst},
            {"seconds", seconds},       {"interrupted", interrupted()}, {"threads", std::move(threads)}};
}

}  // namespace

ExitStatus replay(const ReplayOptions& options) {
    CaptureRun run;
    if (const auto failure = run.open({.config = options.config,
                                       .inputs = options.inputs,
                                       .lcores = options.lcores,
                                       .stop_after = options.stop_after})) {
        return fail(failure->status, failure->message);
    }
    const rules::Config& config = run.loaded.config;
    if (auto prepared = prepare_folder(options, config, run.captures); !prepared) {
        return fail(ExitStatus::kUsage, prepared.error().message);
    }
    const fs::path folder(options.out);

    std::vector<std::unique_ptr<pcap::ToolFile>> files;
    dataplane::PipelineOptions pipeline_options = run.pipeline_options(options.burst, folder);
    pipeline_options.clock_stages = options.clock_stages;
    std::vector<std::unique_ptr<FlowSpool>> spools;
    for (std::size_t i = 0; i < run.plan.select.size(); ++i) {
        auto spool = FlowSpool::create(folder, config);
        if (!spool) return fail(ExitStatus::kLoss, spool.error().message);
        spools.push_back(std::move(spool).value());
        pipeline_options.flow_logs.push_back(spools.back().get());
    }
    for (const rules::Port* tool : config.tool_ports()) {
        auto file = pcap::ToolFile::create(folder / (tool->name + ".pcap"), run.source->link_type());
        if (!file) return fail(ExitStatus::kLoss, file.error().message);
        files.push_back(std::move(file).value());
        pipeline_options.tools.push_back(files.back().get());
    }
    auto pipeline = dataplane::Pipeline::create(std::move(pipeline_options));
    if (!pipeline) return fail(ExitStatus::kUsage, pipeline.error().message);

    const auto begin = Clock::now();
    if (auto ran = run.run(**pipeline); !ran) return fail(ExitStatus::kUsage, ran.error().message);
    const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();

    ExitStatus status = ExitStatus::kOk;
    for (const auto& file : files) {
        if (auto closed = file->close(); !closed) status = fail(ExitStatus::kLoss, closed.error().message);
    }
    const dataplane::Stats stats = (*pipeline)->stats();
    const bool balanced = stats.balanced() && run.pools_whole();
    auto flows = write_flows(folder / "flows.jsonl", spools);
    if (!flows) status = fail(ExitStatus::kLoss, flows.error().message);
    Json json = stats_json(stats, config, balanced);
    json["run"] = run_json(options, run.plan, stats, seconds);
    if (auto written = write_file(folder / "stats.json", json.dump(2) + "\n"); !written) {
        status = fail(ExitStatus::kLoss, written.error().message);
    }
    fmt::print("{}", summary(stats, config, balanced));
    fmt::print("written to {}: {}.pcap, flows.jsonl, stats.json\n", options.out, "TOOL");
    note_rates(config);
    base::diagnose("{}", exhaustion_warnings(stats, config));

    if (!balanced || stats.lost() != 0) status = ExitStatus::kLoss;
    for (const pcap::Damage& damage : run.source->damages()) {
        status = fail(ExitStatus::kDamaged, damage.text + "; what came before it was replayed");
    }
    if (interrupted()) {
        status =
            fail(ExitStatus::kInterrupted,
                 fmt::format("interrupted after {} packets; the outputs hold these", run.source->packets()));
    }
    return status;
}

}  // namespace yagura::broker
