// SPDX-License-Identifier: BSD-3-Clause
#include "broker/capture_run.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <chrono>

#include "base/diagnostics.h"
#include "broker/eal.h"
#include "broker/interrupt.h"
#include "broker/replay_inputs.h"

namespace yagura::broker {
namespace {

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
        if (drawn_) base::diagnose("\r\033[K");
    }
    void update() {
        const auto now = Clock::now();
        if (!shown_ || now - last_ < std::chrono::milliseconds(500)) return;
        last_ = now;
        const double seconds = std::chrono::duration<double>(now - start_).count();
        const double share = source_.total_bytes() == 0 ? 1.0
                                                        : static_cast<double>(source_.bytes_read()) /
                                                              static_cast<double>(source_.total_bytes());
        base::diagnose("\r\033[K{:5.1f} %  {} packets  {:.2f} Mpps  {:.0f} s left", 100 * share,
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

}  // namespace

std::optional<Failure> CaptureRun::open(const CaptureOptions& options) {
    const auto usage = [](std::string message) { return Failure{ExitStatus::kUsage, std::move(message)}; };
    rules::ConfigOutcome outcome = read_config(options.config);
    if (!outcome.ok()) {
        // Filters and patterns are tried as on Ethernet, so that all errors are seen in one run.
        loaded = compile_config(std::move(outcome), net::LinkType::kEthernet);
        return usage(error_report(options.config, loaded.errors));
    }
    auto assigned = assign_captures(options.inputs, outcome.config);
    if (!assigned) return usage(assigned.error().message);
    captures = std::move(assigned).value();
    const std::vector<unsigned> cpus = dataplane::usable_cpus();
    auto planned = plan_lcores(outcome.config.lcores, options.lcores, cpus);
    if (!planned) return usage(planned.error().message);
    plan = std::move(planned).value();

    const std::uint32_t packets = packets_for(plan);
    const std::uint32_t released = released_for(plan);
    const unsigned memory = port::pool_memory_mib(packets) + port::pool_memory_mib(released);
    if (auto started = start_eal({.lcores = plan.eal_lcores(cpus), .memory_mib = memory}); !started) {
        return usage(started.error().message);
    }
    auto made = port::PacketPool::create("packets", packets);
    if (!made) return usage(made.error().message);
    pool = std::move(made).value();
    made = port::PacketPool::create("released", released);
    if (!made) return usage(made.error().message);
    release_pool = std::move(made).value();

    allow_many_files();
    auto opened = pcap::CaptureSource::open(captures, pool->get());
    if (!opened) {
        return Failure{opened.error().damaged_input ? ExitStatus::kDamaged : ExitStatus::kUsage,
                       opened.error().message};
    }
    source = std::move(opened).value();
    if (options.stop_after) source->stop_after(*options.stop_after);

    loaded = compile_config_cached(std::move(outcome), source->link_type());
    if (!loaded.ok()) return usage(error_report(options.config, loaded.errors));
    return std::nullopt;
}

dataplane::PipelineOptions CaptureRun::pipeline_options(unsigned burst,
                                                        const std::string& spool_folder) const {
    return {.plan = plan,
            .sources = {source.get()},
            .ports = loaded.config.network_ports().size(),
            .link_type = source->link_type(),
            .policy = select::make_policy(loaded.config, loaded.compiled),
            .pressure = dataplane::Pressure::kPushBack,
            .burst = burst,
            .ring_size = kRingSize,
            .inspect = loaded.config.inspect,
            .release_pool = release_pool->get(),
            .spool_folder = spool_folder};
}

base::Result<void> CaptureRun::run(dataplane::Pipeline& pipeline) const {
    catch_interrupts();
    if (auto started = pipeline.start(); !started) return started.error();
    Progress progress(*source);
    bool stopping = false;
    while (!pipeline.drained()) {
        const timespec pause{.tv_sec = 0, .tv_nsec = 1'000'000};
        nanosleep(&pause, nullptr);
        progress.update();
        if (interrupted() && !stopping) {
            pipeline.stop_sources();
            stopping = true;
        }
    }
    pipeline.stop();
    return {};
}

}  // namespace yagura::broker
