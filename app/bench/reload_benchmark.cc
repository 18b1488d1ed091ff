// SPDX-License-Identifier: BSD-3-Clause
// What a change of the rules costs the data path: the pipeline on its own lcores, sessions in memory whose
// payload is inspected, at full speed, while the control thread publishes one policy after the other. Beside
// each setting the same traffic, as long, with nobody touching the rules.
#include <fmt/format.h>
#include <rte_cycles.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <thread>

#include "app/bench/benchmarks.h"
#include "app/bench/end_traffic.h"
#include "app/bench/literals.h"
#include "app/bench/memory_source.h"
#include "app/bench/traffic.h"
#include "broker/eal.h"
#include "broker/live.h"
#include "dataplane/pipeline.h"
#include "drivers/loop/loop.h"

namespace yagura::bench {
namespace {

using Clock = std::chrono::steady_clock;

struct ReloadChoice {
    std::vector<std::size_t> patterns{10, 100, 1'000, 10'000};
    unsigned reloads = 50;
    std::uint32_t flows = 1'000;
    unsigned interval_ms = 10;
};

double milliseconds(Clock::duration time) {
    return std::chrono::duration<double, std::milli>(time).count();
}

/// Notes the longest time between two calls, which is between two bursts.
class GapQueue final : public port::RxQueue {
  public:
    explicit GapQueue(MemorySource& source) : source_(source) {}
    [[nodiscard]] std::uint16_t receive(std::span<rte_mbuf*> burst) override {
        const std::uint64_t now = rte_rdtsc();
        if (last_ != 0 && now - last_ > longest_.load(std::memory_order_relaxed))
            longest_.store(now - last_, std::memory_order_relaxed);
        last_ = now;
        return source_.receive(burst);
    }
    bool can_wait() const override { return source_.can_wait(); }
    /// In microseconds, since the last call. Any one thread.
    double take_longest() {
        const std::uint64_t cycles = longest_.exchange(0, std::memory_order_relaxed);
        return static_cast<double>(cycles) / static_cast<double>(rte_get_tsc_hz()) * 1e6;
    }

  private:
    MemorySource& source_;
    std::uint64_t last_ = 0;
    std::atomic<std::uint64_t> longest_{0};
};

/// What was seen of a number of reloads.
struct Seen {
    std::vector<double> taken_up_ms;  ///< from publishing to where every thread goes by the new policy
    std::vector<double> gone_ms;      ///< and to where the old policy is freed
    std::vector<double> gaps_us;
    double packets_per_second = 0;
};

class ReloadRig {
  public:
    static base::Result<std::unique_ptr<ReloadRig>> create(const ReloadChoice& choice, unsigned cpu,
                                                           std::span<const Literal> literals);
    base::Result<void> start() { return pipeline_->start(); }
    /// Publishes the policies in turn, `reloads` times; with none it is the same time without a change.
    Seen run(const ReloadChoice& choice,
             std::span<const std::shared_ptr<const select::PolicySnapshot>> policies);
    /// Ends the traffic. An error when a packet is missing.
    base::Result<void> finish();

  private:
    std::uint64_t received() const { return pipeline_->stats().ports[0].received.packets; }

    broker::LiveEnvironment environment_;
    std::unique_ptr<PacketStore> store_;
    std::unique_ptr<TapeSource> source_;
    std::unique_ptr<GapQueue> queue_;
    loop::LoopSink sink_;
    std::unique_ptr<dataplane::Pipeline> pipeline_;
};

base::Result<std::unique_ptr<ReloadRig>> ReloadRig::create(const ReloadChoice& choice, unsigned cpu,
                                                           std::span<const Literal> literals) {
    constexpr std::uint32_t kFrame = 594;
    constexpr unsigned kHits = 10;
    auto raw = make_sessions(choice.flows, {.name = "594", .turn = {kFrame}}, kHits, literals.first(1));
    if (!raw) return raw.error();
    const std::vector<unsigned> cpus = dataplane::usable_cpus();
    auto plan = broker::plan_lcores({}, fmt::format("rx={0};select={0};tx={0}", cpu), cpus);
    if (!plan) return plan.error();
    std::unique_ptr<ReloadRig> rig(new ReloadRig);
    auto environment = broker::start_live(
        {}, *plan, cpus, {.packets = 0, .memory_mib = PacketStore::memory_mib(raw->frames.size(), kFrame)});
    if (!environment) return environment.error();
    rig->environment_ = std::move(*environment);
    auto store = PacketStore::create(*raw, true);
    if (!store) return store.error();
    rig->store_ = std::move(*store);
    rig->source_ = std::make_unique<TapeSource>(*rig->store_, *raw);
    rig->queue_ = std::make_unique<GapQueue>(*rig->source_);
    auto policy = policy_of_literals(literals, 1);
    if (!policy) return policy.error();
    auto pipeline = dataplane::Pipeline::create({.plan = std::move(*plan),
                                                 .sources = {rig->queue_.get()},
                                                 .tools = {&rig->sink_},
                                                 .policy = std::move(*policy),
                                                 .hash_seed = 1,
                                                 .keep_details = false,
                                                 .release_pool = rig->environment_.release_pool->get()});
    if (!pipeline) return pipeline.error();
    rig->pipeline_ = std::move(*pipeline);
    return rig;
}

Seen ReloadRig::run(const ReloadChoice& choice,
                    std::span<const std::shared_ptr<const select::PolicySnapshot>> policies) {
    Seen seen;
    (void)queue_->take_longest();
    const auto begin = Clock::now();
    const std::uint64_t first = received();
    for (unsigned n = 0; n < choice.reloads; ++n) {
        const auto start = Clock::now();
        const auto next = start + std::chrono::milliseconds(choice.interval_ms);
        if (!policies.empty()) {
            pipeline_->swap_policy(policies[n % policies.size()]);
            seen.taken_up_ms.push_back(milliseconds(Clock::now() - start));
        }
        bool gone = policies.empty();
        while (Clock::now() < next || !gone) {
            if (!gone && pipeline_->retire_policy()) {
                gone = true;
                seen.gone_ms.push_back(milliseconds(Clock::now() - start));
            }
            std::this_thread::sleep_for(std::chrono::microseconds(200));
        }
        seen.gaps_us.push_back(queue_->take_longest());
    }
    const double seconds = milliseconds(Clock::now() - begin) / 1e3;
    seen.packets_per_second = static_cast<double>(received() - first) / seconds;
    return seen;
}

base::Result<void> ReloadRig::finish() {
    if (auto ended = end_traffic(*pipeline_, *source_); !ended) return ended;
    pipeline_.reset();
    if (!store_->whole() || !environment_.pools_whole()) return base::Error{"some packets did not come back"};
    return {};
}

base::Result<Report> run_reload(const ReloadChoice& choice, const Common& common) {
    const std::size_t most = *std::ranges::max_element(choice.patterns);
    std::vector<Literal> literals = make_literals(most + 1);
    auto rig = ReloadRig::create(choice, common.cpu, literals);
    if (!rig) return rig.error();
    if (auto started = (*rig)->start(); !started) return started.error();

    Report report{.benchmark = "reload", .tables = {}, .interrupted_share = std::nullopt};
    report.tables.push_back(
        {.title = fmt::format("{} changes of the rules under traffic", choice.reloads),
         .labels = {"patterns"},
         .columns = {{"compiled", "ms"},
                     {"taken up", "ms", 2},
                     {"old policy gone", "ms", 2},
                     {"longest gap between bursts", "microseconds"},
                     {"the same without changes", "microseconds"},
                     {"packets / without changes", "", 2}},
         .rows = {},
         .notes = {
             fmt::format(
                 "Everything is on one lcore, and its packets are {} sessions of 594-byte frames, new "
                 "ones in each lap, all of which are inspected, a tenth until a pattern is found. The "
                 "other CPU compiles and publishes: a change every {} ms, or when the old policy is gone.",
                 choice.flows, choice.interval_ms),
             "Two policies take turns, which have all patterns but one in common. \"Taken up\": every "
             "thread goes by the new one. \"Gone\": nothing goes on under the old one any more, and it is "
             "freed.",
             "No packet was lost, and the ledger balanced in the end."}});
    for (const std::size_t patterns : choice.patterns) {
        std::vector<std::shared_ptr<const select::PolicySnapshot>> policies;
        std::vector<double> compiled_ms;
        for (const std::size_t first : {0u, 1u}) {
            const auto start = Clock::now();
            auto policy = policy_of_literals(std::span(literals).subspan(first, patterns), patterns);
            if (!policy) return policy.error();
            compiled_ms.push_back(milliseconds(Clock::now() - start));
            policies.push_back(std::move(*policy));
        }
        // Beside each other, under the same policy.
        (void)(*rig)->run({.patterns = {}, .reloads = 2, .flows = 0, .interval_ms = 100}, policies);
        const Seen still = (*rig)->run(choice, {});
        const Seen seen = (*rig)->run(choice, policies);
        report.tables[0].rows.push_back(
            {.labels = {std::to_string(patterns)},
             .figures = {spread_of(compiled_ms), spread_of(seen.taken_up_ms), spread_of(seen.gone_ms),
                         spread_of(seen.gaps_us), spread_of(still.gaps_us),
                         spread_of({seen.packets_per_second / still.packets_per_second})}});
    }
    if (auto finished = (*rig)->finish(); !finished) return finished.error();
    return report;
}

}  // namespace

void add_reload(CLI::App& app, Benchmark& chosen) {
    auto choice = std::make_shared<ReloadChoice>();
    CLI::App* command = app.add_subcommand("reload", "What a change of the rules costs under traffic");
    command->add_option("--patterns", choice->patterns, "Patterns of the rules, a rule each")
        ->delimiter(',')
        ->check(CLI::Range(std::size_t{1}, std::size_t{100'000}))
        ->capture_default_str();
    command->add_option("--reloads", choice->reloads, "Changes for each number of patterns")
        ->check(CLI::Range(1u, 100'000u))
        ->capture_default_str();
    command->add_option("--flows", choice->flows, "Sessions at the same time")
        ->check(CLI::Range(1u, 100'000u))
        ->capture_default_str();
    command
        ->add_option("--interval", choice->interval_ms, "Milliseconds from one change to the next, at least")
        ->check(CLI::Range(1u, 60'000u))
        ->capture_default_str();
    command->callback([choice, &chosen] {
        chosen = [choice](const Common& common) { return run_reload(*choice, common); };
    });
}

}  // namespace yagura::bench
