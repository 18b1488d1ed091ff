// SPDX-License-Identifier: BSD-3-Clause
#include "broker/replay.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>

#include "broker/eal.h"
#include "broker/file_writer.h"
#include "broker/flow_records.h"
#include "broker/interrupt.h"
#include "broker/policy_loader.h"
#include "broker/replay_inputs.h"
#include "broker/report.h"
#include "dataplane/pipeline.h"
#include "drivers/pcap/capture_source.h"
#include "drivers/pcap/tool_file.h"
#include "port/packet_pool.h"

namespace yagura::broker {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr unsigned kRingSize = 2048;

/// More than fragments that wait, a burst, and what lcores keep of the pool for themselves. When rings or
/// large packets use up the rest the source waits: nothing is lost.
std::uint32_t packets_for(const dataplane::LcorePlan& plan) {
    return 32'767 + static_cast<std::uint32_t>(plan.lcores.size()) * port::kPoolCachePerLcore;
}

/// Packets that were held, on their way to the tools: room for the largest, and what lcores keep.
std::uint32_t released_for(const dataplane::LcorePlan& plan) {
    return 4'095 + static_cast<std::uint32_t>(plan.lcores.size()) * port::kPoolCachePerLcore;
}

ExitStatus fail(ExitStatus status, const std::string& message) {
    fmt::print(stderr, "yagura replay: {}{}", message, message.ends_with('\n') ? "" : "\n");
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

/// Every capture is open at once. What the system does not grant shows when a file cannot be opened.
void allow_many_files() {
    rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

class Progress {
  public:
    explicit Progress(const pcap::CaptureSource& source)
        : source_(source), shown_(isatty(STDERR_FILENO) != 0) {}
    ~Progress() {
        if (drawn_) fmt::print(stderr, "\r\033[K");
    }
    void update() {
        const auto now = Clock::now();
        if (!shown_ || now - last_ < std::chrono::milliseconds(500)) return;
        last_ = now;
        const double seconds = std::chrono::duration<double>(now - start_).count();
        const double share = source_.total_bytes() == 0 ? 1.0
                                                        : static_cast<double>(source_.bytes_read()) /
                                                              static_cast<double>(source_.total_bytes());
        fmt::print(stderr, "\r\033[K{:5.1f} %  {} packets  {:.2f} Mpps  {:.0f} s left", 100 * share,
                   source_.packets(), static_cast<double>(source_.packets()) / seconds / 1e6,
                   share > 0 ? seconds / share - seconds : 0.0);
        drawn_ = true;
    }

  private:
    const pcap::CaptureSource& source_;
    bool shown_;
    bool drawn_ = false;
    Clock::time_point start_ = Clock::now();
    Clock::time_point last_ = start_;
};

void note_rates(const rules::Config& config) {
    for (const rules::Port* tool : config.tool_ports()) {
        if (tool->rate_bits_per_second) {
            fmt::print(stderr, "note: tool \"{}\": its rate is not applied in replay\n", tool->name);
        }
    }
}

Json run_json(const ReplayOptions& options, const dataplane::LcorePlan& plan, const dataplane::Stats& stats,
              double seconds) {
    Json threads = Json::array();
    for (const dataplane::ThreadStats& thread : stats.threads) {
        threads.push_back({{"lcore", thread.lcore},
                           {"busy_turns", thread.busy_turns},
                           {"empty_turns", thread.empty_turns},
                           {"packets", thread.packets}});
    }
    return {{"inputs", options.inputs}, {"lcores", plan.to_string()},   {"burst", options.burst},
            {"seconds", seconds},       {"interrupted", interrupted()}, {"threads", std::move(threads)}};
}

}  // namespace

ExitStatus replay(const ReplayOptions& options) {
    rules::ConfigOutcome outcome = read_config(options.config);
    if (!outcome.ok()) {
        // Filters and patterns are tried as on Ethernet, so that all errors are seen in one run.
        const LoadedConfig loaded = compile_config(std::move(outcome), net::LinkType::kEthernet);
        return fail(ExitStatus::kUsage, error_report(options.config, loaded.errors));
    }
    auto captures = assign_captures(options.inputs, outcome.config);
    if (!captures) return fail(ExitStatus::kUsage, captures.error().message);
    const std::vector<unsigned> cpus = dataplane::usable_cpus();
    const auto planned = plan_lcores(outcome.config.lcores, options.lcores, cpus);
    if (!planned) return fail(ExitStatus::kUsage, planned.error().message);
    const dataplane::LcorePlan& plan = *planned;

    const std::uint32_t packets = packets_for(plan);
    const std::uint32_t released = released_for(plan);
    const unsigned memory = port::pool_memory_mib(packets) + port::pool_memory_mib(released);
    if (auto started = start_eal({.lcores = plan.eal_lcores(cpus), .memory_mib = memory}); !started) {
        return fail(ExitStatus::kUsage, started.error().message);
    }
    auto pool = port::PacketPool::create("packets", packets);
    if (!pool) return fail(ExitStatus::kUsage, pool.error().message);
    auto release_pool = port::PacketPool::create("released", released);
    if (!release_pool) return fail(ExitStatus::kUsage, release_pool.error().message);

    allow_many_files();
    auto source = pcap::CaptureSource::open(*captures, (*pool)->get());
    if (!source)
        return fail(source.error().damaged_input ? ExitStatus::kDamaged : ExitStatus::kUsage,
                    source.error().message);
    if (options.stop_after) (*source)->stop_after(*options.stop_after);

    const LoadedConfig loaded = compile_config(std::move(outcome), (*source)->link_type());
    if (!loaded.ok()) return fail(ExitStatus::kUsage, error_report(options.config, loaded.errors));
    if (auto prepared = prepare_folder(options, loaded.config, *captures); !prepared) {
        return fail(ExitStatus::kUsage, prepared.error().message);
    }
    const fs::path folder(options.out);

    std::vector<std::unique_ptr<pcap::ToolFile>> files;
    dataplane::PipelineOptions pipeline_options{.plan = plan,
                                                .sources = {source->get()},
                                                .ports = loaded.config.network_ports().size(),
                                                .link_type = (*source)->link_type(),
                                                .policy = select::make_policy(loaded.config, loaded.compiled),
                                                .pressure = dataplane::Pressure::kPushBack,
                                                .burst = options.burst,
                                                .ring_size = kRingSize,
                                                .inspect = loaded.config.inspect,
                                                .release_pool = (*release_pool)->get(),
                                                .spool_folder = folder};
    std::vector<std::unique_ptr<FlowSpool>> spools;
    for (std::size_t i = 0; i < plan.select.size(); ++i) {
        auto spool = FlowSpool::create(folder, loaded.config);
        if (!spool) return fail(ExitStatus::kLoss, spool.error().message);
        spools.push_back(std::move(spool).value());
        pipeline_options.flow_logs.push_back(spools.back().get());
    }
    for (const rules::Port* tool : loaded.config.tool_ports()) {
        auto file = pcap::ToolFile::create(folder / (tool->name + ".pcap"), (*source)->link_type());
        if (!file) return fail(ExitStatus::kLoss, file.error().message);
        files.push_back(std::move(file).value());
        pipeline_options.tools.push_back(files.back().get());
    }
    auto pipeline = dataplane::Pipeline::create(std::move(pipeline_options));
    if (!pipeline) return fail(ExitStatus::kUsage, pipeline.error().message);

    catch_interrupts();
    const auto begin = Clock::now();
    if (auto started = (*pipeline)->start(); !started)
        return fail(ExitStatus::kUsage, started.error().message);
    {
        Progress progress(**source);
        bool stopping = false;
        while (!(*pipeline)->drained()) {
            const timespec pause{.tv_sec = 0, .tv_nsec = 1'000'000};
            nanosleep(&pause, nullptr);
            progress.update();
            if (interrupted() && !stopping) {
                (*pipeline)->stop_sources();
                stopping = true;
            }
        }
    }
    (*pipeline)->stop();
    const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();

    ExitStatus status = ExitStatus::kOk;
    for (const auto& file : files) {
        if (auto closed = file->close(); !closed) status = fail(ExitStatus::kLoss, closed.error().message);
    }
    const dataplane::Stats stats = (*pipeline)->stats();
    const bool balanced = stats.balanced() && (*pool)->whole() && (*release_pool)->whole();
    auto flows = write_flows(folder / "flows.jsonl", spools);
    if (!flows) status = fail(ExitStatus::kLoss, flows.error().message);
    Json json = stats_json(stats, loaded.config, balanced);
    json["run"] = run_json(options, plan, stats, seconds);
    if (auto written = write_file(folder / "stats.json", json.dump(2) + "\n"); !written) {
        status = fail(ExitStatus::kLoss, written.error().message);
    }
    fmt::print("{}", summary(stats, loaded.config, balanced));
    fmt::print("written to {}: {}.pcap, flows.jsonl, stats.json\n", options.out, "TOOL");
    note_rates(loaded.config);
    fmt::print(stderr, "{}", exhaustion_warnings(stats, loaded.config));

    if (!balanced || stats.lost() != 0) status = ExitStatus::kLoss;
    for (const pcap::Damage& damage : (*source)->damages()) {
        status = fail(ExitStatus::kDamaged, damage.text + "; what came before it was replayed");
    }
    if (interrupted()) {
        status =
            fail(ExitStatus::kInterrupted,
                 fmt::format("interrupted after {} packets; the outputs hold these", (*source)->packets()));
    }
    return status;
}

}  // namespace yagura::broker
