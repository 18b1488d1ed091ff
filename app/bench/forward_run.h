// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "app/bench/capture_copy.h"
#include "app/bench/forward_options.h"
#include "app/bench/memory_source.h"
#include "app/bench/ring_loop.h"
#include "broker/live.h"
#include "broker/ports.h"
#include "dataplane/pipeline.h"

namespace yagura::bench {

/// Everything that was counted, at one moment of a run.
struct Sample {
    double seconds = 0;  ///< since the run began
    dataplane::Stats stats;
    SourceCounts source;

    std::uint64_t received() const;  ///< packets
};

/// What happened between two samples.
struct Interval {
    Interval(const Sample& from, const Sample& to, bool one_lcore);

    double seconds;  ///< without the writing of flows, where everything is on one lcore
    base::Count received;
    std::vector<base::Count> sent;  ///< by ToolId
    base::Count dropped;
    std::vector<dataplane::ThreadStats> threads;
    dataplane::StageCycles cycles;  ///< of all lcores, without the writing of flows
    SourceCounts source;
    std::uint64_t scanned_bytes;

    double per_second(std::uint64_t n) const { return static_cast<double>(n) / seconds; }
    double per_packet(std::uint64_t n) const;  ///< 0 when none was received
    base::Count sent_total() const;
    double busy_share() const;  ///< of the turns of all lcores
};

/// A pipeline as `yagura run` makes it, on its own lcores, with clocks around its stages.
class ForwardRun {
  public:
    /// Starts DPDK's environment: once in a process. `traffic`: none with a configuration. `cpu`: of the
    /// only lcore, where nobody says otherwise.
    static base::Result<std::unique_ptr<ForwardRun>> create(const ForwardOptions& options,
                                                            const std::optional<ForwardTraffic>& traffic,
                                                            unsigned cpu);
    ~ForwardRun();
    ForwardRun(const ForwardRun&) = delete;
    ForwardRun& operator=(const ForwardRun&) = delete;

    /// Runs for the time of the options, or to the end of the source, or until SIGINT. Shows each second on
    /// stderr. An error when the ledger does not balance in the end, or a pool is not whole.
    base::Result<void> run();

    const std::vector<Interval>& intervals() const { return intervals_; }  ///< at least one, after run()
    const dataplane::Stats& totals() const { return totals_; }             ///< of the whole run
    const rules::Config& config() const { return loaded_.config; }
    const dataplane::LcorePlan& plan() const { return plan_; }
    const std::vector<std::string>& notes() const { return notes_; }  ///< of the traffic

  private:
    explicit ForwardRun(const ForwardOptions& options) : options_(options) {}
    base::Result<void> prepare(const std::optional<ForwardTraffic>& traffic, unsigned cpu);
    base::Result<RawFrames> make_frames(const ForwardTraffic& traffic, std::span<const Literal> literals);
    base::Result<std::string> device_of(const ForwardTraffic& traffic);
    base::Result<void> open(const std::optional<ForwardTraffic>& traffic, const RawFrames& frames);
    Sample sample() const;
    void measure(Sample first);
    bool ended() const;
    void wait_until(double seconds, std::uint64_t packets) const;
    std::uint64_t received() const;
    double now() const;
    bool one_lcore() const { return plan_.lcores.size() == 1; }

    ForwardOptions options_;
    broker::LoadedConfig loaded_;
    dataplane::LcorePlan plan_;
    std::vector<std::string> notes_;
    std::uint64_t first_lap_ = 0;  ///< packets after which every flow is known
    std::unique_ptr<CaptureCopy> copy_;
    broker::LiveEnvironment environment_;
    std::unique_ptr<PacketStore> store_;
    std::unique_ptr<MemorySource> source_;
    std::unique_ptr<RingLoop> ring_;
    std::unique_ptr<broker::Ports> ports_;
    std::unique_ptr<dataplane::Pipeline> pipeline_;
    std::chrono::steady_clock::time_point begin_;
    std::vector<Interval> intervals_;
    dataplane::Stats totals_;
};

/// One line as testpmd shows it: packets received and sent, cycles by stage, busy turns, drops.
std::string live_line(const Interval& interval, const Sample& from, const Sample& to,
                      const rules::Config& config);

}  // namespace yagura::bench
